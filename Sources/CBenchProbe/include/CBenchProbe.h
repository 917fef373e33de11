#ifndef SLUICE_CBENCHPROBE_H
#define SLUICE_CBENCHPROBE_H

/* Preloaded into a sluiced that is measured (LD_PRELOAD); nothing links it.
 *
 * Counts the allocations, malloc, calloc, realloc and the aligned ones, of the program that has the name in the second
 * variable, into the file in the first, which whoever measures has mapped too: a uint64_t in the machine's order.
 * Programs by another name, such as valgrind before it runs that one, count nothing and pass the variables on; the
 * program itself does not. */
#define SLUICE_ALLOCATIONS_FILE "SLUICE_ALLOCATIONS_FILE"
#define SLUICE_ALLOCATIONS_PROGRAM "SLUICE_ALLOCATIONS_PROGRAM"

#endif
