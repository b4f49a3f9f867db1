/* The trapping allocator: preloaded into `tickgate replay --prove`, it counts every allocation that an armed thread
 * makes, through malloc and its kin or through DPDK's rte_malloc and mempool-free ways to it. gateway/armed.c finds
 * the two functions at its end by name. */
#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void trap_alloc_arm(bool armed);
uint64_t trap_alloc_count(void);

extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *memory, size_t bytes);
extern void *__libc_memalign(size_t align, size_t bytes);
extern void __libc_free(void *memory);

static __thread bool thread_armed __attribute__((tls_model("initial-exec")));
static uint64_t violation_count;

static void note(void)
{
    if (thread_armed)
        __atomic_fetch_add(&violation_count, 1, __ATOMIC_RELAXED);
}

void *malloc(size_t bytes)
{
    note();
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    note();
    return __libc_calloc(count, bytes);
}

void *realloc(void *memory, size_t bytes)
{
    note();
    return __libc_realloc(memory, bytes);
}

void *aligned_alloc(size_t align, size_t bytes)
{
    note();
    return __libc_memalign(align, bytes);
}

int posix_memalign(void **ret_memory, size_t align, size_t bytes)
{
    note();
    *ret_memory = __libc_memalign(align, bytes);
    return *ret_memory ? 0 : 12;
}

void free(void *memory)
{
    if (memory)
        note();
    __libc_free(memory);
}

/* DPDK's heap. The next definition of the name is the real one. */
#define NEXT(name) ((__typeof__(&name))next(#name))
static void *next(const char *name)
{
    const bool armed = thread_armed;
    thread_armed = false; /* the loader's own allocations are not the thread's */
    void *symbol = dlsym(RTLD_NEXT, name);
    thread_armed = armed;
    return symbol;
}

void *rte_malloc(const char *type, size_t bytes, unsigned align);
void *rte_malloc_socket(const char *type, size_t bytes, unsigned align, int socket);
void *rte_zmalloc(const char *type, size_t bytes, unsigned align);
void *rte_zmalloc_socket(const char *type, size_t bytes, unsigned align, int socket);
void rte_free(void *memory);

void *rte_malloc(const char *type, size_t bytes, unsigned align)
{
    note();
    return NEXT(rte_malloc)(type, bytes, align);
}

void *rte_malloc_socket(const char *type, size_t bytes, unsigned align, int socket)
{
    note();
    return NEXT(rte_malloc_socket)(type, bytes, align, socket);
}

void *rte_zmalloc(const char *type, size_t bytes, unsigned align)
{
    note();
    return NEXT(rte_zmalloc)(type, bytes, align);
}

void *rte_zmalloc_socket(const char *type, size_t bytes, unsigned align, int socket)
{
    note();
    return NEXT(rte_zmalloc_socket)(type, bytes, align, socket);
}

void rte_free(void *memory)
{
    if (memory)
        note();
    NEXT(rte_free)(memory);
}

/* An armed thread must see its own trap work, or "0 violations" proves nothing: TRAP_ALLOC_SELF_TEST makes one here. */
void trap_alloc_arm(bool armed)
{
    thread_armed = armed;
    const char *text = getenv("TRAP_ALLOC_SELF_TEST");
    if (armed && text)
        free(strdup(text));
}

uint64_t trap_alloc_count(void)
{
    return __atomic_load_n(&violation_count, __ATOMIC_RELAXED);
}
