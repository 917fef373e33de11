#ifndef SLUICE_TEST_CLOCK_H
#define SLUICE_TEST_CLOCK_H

/* A library to preload into one process, whose wall clock it moves: by as many seconds as the file named by
   SLUICE_TEST_CLOCK says, a 64-bit integer in the machine's byte order, read anew at every call. The monotonic clock,
   which timers run by, stays true. */

#endif
