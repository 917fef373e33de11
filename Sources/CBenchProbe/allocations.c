#define _GNU_SOURCE
#include "CBenchProbe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* glibc's own names for its allocator: to look up the next `malloc` by dlsym would allocate. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static _Atomic uint64_t unread;
static _Atomic uint64_t *counter = &unread;

static void count(void) { atomic_fetch_add_explicit(counter, 1, memory_order_relaxed); }

/* Before the program's first line, and so before it has a second thread. */
__attribute__((constructor)) static void begin(void) {
    const char *path = getenv(SLUICE_ALLOCATIONS_FILE);
    const char *program = getenv(SLUICE_ALLOCATIONS_PROGRAM);
    if (path == NULL || program == NULL || strcmp(program, program_invocation_short_name) != 0) return;
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file >= 0) {
        void *page = mmap(NULL, sizeof(*counter), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (page != MAP_FAILED) counter = page;
        close(file);
    }
    unsetenv(SLUICE_ALLOCATIONS_FILE);
    unsetenv(SLUICE_ALLOCATIONS_PROGRAM);
    unsetenv("LD_PRELOAD");
}

void *malloc(size_t size) {
    count();
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
    count();
    return __libc_calloc(number, size);
}

void *realloc(void *old, size_t size) {
    count();
    return __libc_realloc(old, size);
}

void *memalign(size_t alignment, size_t size) {
    count();
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    count();
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **result, size_t alignment, size_t size) {
    count();
    if (alignment % sizeof(void *) != 0 || alignment == 0 || (alignment & (alignment - 1)) != 0) return EINVAL;
    void *memory = __libc_memalign(alignment, size);
    if (memory == NULL) return ENOMEM;
    *result = memory;
    return 0;
}
