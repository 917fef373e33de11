#ifndef SLUICE_CBENCHPROBE_H
#define SLUICE_CBENCHPROBE_H

/* Preloaded into a sluiced that is measured (LD_PRELOAD); nothing links it.
 *
 * Counts allocations, malloc, calloc, realloc and the aligned ones, into a file that whoever measures has mapped too:
 * the one that this variable names, of at least eight bytes, a uint64_t in the machine's order. Without the variable
 * nothing is counted. Neither the variable nor the preload is passed on to the programs that the process starts. */
#define SLUICE_ALLOCATIONS_FILE "SLUICE_ALLOCATIONS_FILE"

#endif
