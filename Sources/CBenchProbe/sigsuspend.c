#define _GNU_SOURCE
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

/* valgrind 3.19 writes to the mask of a sigsuspend, and libdispatch's lies in read-only memory: the main thread of any
 * Swift server then takes valgrind down with it. A copy on the stack may be written to. */
int sigsuspend(const sigset_t *mask) {
    sigset_t copy = *mask;
    /* The kernel's set has 64 bits. */
    return (int)syscall(SYS_rt_sigsuspend, &copy, 8);
}
