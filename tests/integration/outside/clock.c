/* Preloaded into the program under test, so that its clocks go as the test says and nobody else's do.
 *
 * CLOCK_REALTIME and CLOCK_MONOTONIC are read later by the seconds that the files REALTIME and MONOTONIC in the
 * directory TEST_CLOCK hold. A file of the exporter's state is opened only while there is no file HANG: so does a
 * disk behave that is reached over a network which is gone.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Opens a file of the test's directory, by the kernel alone: the C library's functions may be ours. */
static int open_ours(const char *name) {
    const char *directory = getenv("TEST_CLOCK");
    char path[4096];
    if (directory == NULL || snprintf(path, sizeof path, "%s/%s", directory, name) >= (int)sizeof path)
        return -1;
    return (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
}

static long seconds(const char *name) {
    char text[32] = {0};
    int file = open_ours(name);
    if (file < 0)
        return 0;
    long length = syscall(SYS_read, file, text, sizeof text - 1);
    syscall(SYS_close, file);
    return length > 0 ? atol(text) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = (int)syscall(SYS_clock_gettime, clock, time);
    if (result == 0 && clock == CLOCK_REALTIME)
        time->tv_sec += seconds("REALTIME");
    if (result == 0 && clock == CLOCK_MONOTONIC)
        time->tv_sec += seconds("MONOTONIC");
    return result;
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    int mode = va_arg(rest, int), hang;
    va_end(rest);
    while (strstr(path, ".state") != NULL && (hang = open_ours("HANG")) >= 0) {
        syscall(SYS_close, hang);
        usleep(20000);
    }
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}
