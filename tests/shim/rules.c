/* The control file is read anew at each call, so that a test changes it by renaming another over it. A line is a rule:
 *
 *     FUNCTION CHANCE ACTION [NUMBER]      C_Sign 1/200 hang      * always before 0x30      C_Sign 1% delay 500
 *
 * FUNCTION  a name, or * for every wrapped function.
 * CHANCE    always | 1/N, each Nth call of the function, counted over all processes | P%, by chance.
 * ACTION    before CODE   return CODE without the call        after CODE   make the call, return CODE
 *           delay MS      wait, then go on with the next rule hang         never return
 *           flip          turn one bit of what came out       empty        a search finds nothing
 *           abort         end as abort() does                 segfault     write to address 0
 *
 * Rules are tried from the top; the first that hits and is not a delay decides. Nothing is shared between threads but the counts,
 * which are atomic, and what was read once at the start.
 */
#define _GNU_SOURCE
#include "rules.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef SHIM_CONFIGURATION
#error "compile with -DSHIM_CONFIGURATION=\"path\""
#endif

enum { LONGEST = 8192, MOST_LACKING = 32 };

const char *const function_names[FUNCTION_COUNT] = {
#define NAME(name) #name,
    FUNCTIONS(NAME)
#undef NAME
};

/* Two numbers for each function, in the order of FUNCTIONS: its calls, and those a rule hit. */
struct counts {
    _Atomic uint64_t calls;
    _Atomic uint64_t hits;
};

static struct {
    char module[4096];
    char control[4096];
    char reserved[4096];
    bool local;
    unsigned long lacking[MOST_LACKING];
    int lacking_count;
    int log;
    struct counts *counts;
} shim = {.log = -1};

static struct counts counts_of_this_process[FUNCTION_COUNT];

static _Noreturn void give_up(const char *what, const char *detail)
{
    fprintf(stderr, "fault shim: %s: %s\n", what, detail);
    abort();
}

/* Reads a whole small file; false when there is none. */
static bool read_file(const char *path, char text[LONGEST])
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        if (errno == ENOENT)
            return false;
        give_up(path, strerror(errno));
    }
    size_t length = 0;
    for (;;) {
        ssize_t got = read(file, text + length, LONGEST - 1 - length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            give_up(path, strerror(errno));
        if (got == 0)
            break;
        length += (size_t)got;
        if (length == LONGEST - 1)
            give_up(path, "too long");
    }
    close(file);
    text[length] = '\0';
    return true;
}

static struct counts *map_counts(const char *path)
{
    size_t size = sizeof(struct counts) * FUNCTION_COUNT;
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || ftruncate(file, (off_t)size) != 0)
        give_up(path, strerror(errno));
    void *mapped = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (mapped == MAP_FAILED)
        give_up(path, strerror(errno));
    close(file);
    return mapped;
}

static unsigned long number_of(const char *text)
{
    char *end = NULL;
    unsigned long value = strtoul(text, &end, 0);
    if (end == text || *end != '\0')
        give_up("not a number", text);
    return value;
}

void rules_open(void)
{
    char text[LONGEST];
    if (!read_file(SHIM_CONFIGURATION, text))
        give_up(SHIM_CONFIGURATION, "is not there");
    shim.counts = counts_of_this_process;
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        char *value = strchr(line, ' ');
        if (value == NULL)
            give_up(SHIM_CONFIGURATION, line);
        *value++ = '\0';
        if (strcmp(line, "module") == 0)
            snprintf(shim.module, sizeof shim.module, "%s", value);
        else if (strcmp(line, "control") == 0)
            snprintf(shim.control, sizeof shim.control, "%s", value);
        else if (strcmp(line, "reserved") == 0)
            snprintf(shim.reserved, sizeof shim.reserved, "%s", value);
        else if (strcmp(line, "local") == 0)
            shim.local = strcmp(value, "yes") == 0;
        else if (strcmp(line, "lacks") == 0) {
            if (shim.lacking_count == MOST_LACKING)
                give_up(SHIM_CONFIGURATION, "lacks too much");
            shim.lacking[shim.lacking_count++] = number_of(value);
        } else if (strcmp(line, "counts") == 0)
            shim.counts = map_counts(value);
        else if (strcmp(line, "log") == 0) {
            shim.log = open(value, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
            if (shim.log < 0)
                give_up(value, strerror(errno));
        } else
            give_up(SHIM_CONFIGURATION, line);
    }
    if (shim.module[0] == '\0' || shim.control[0] == '\0')
        give_up(SHIM_CONFIGURATION, "names no module or no control file");
}

const char *rules_module(void)
{
    return shim.module;
}

char *rules_reserved(void)
{
    return shim.reserved[0] != '\0' ? shim.reserved : NULL;
}

bool rules_local(void)
{
    return shim.local;
}

bool rules_lack(unsigned long mechanism)
{
    for (int place = 0; place < shim.lacking_count; place++)
        if (shim.lacking[place] == mechanism)
            return true;
    return false;
}

/* A number below `end`. The system's randomness needs no state that threads would share. */
static unsigned long below(unsigned long end)
{
    uint64_t number;
    if (getrandom(&number, sizeof number, 0) != sizeof number)
        give_up("getrandom", strerror(errno));
    return (unsigned long)(number % end);
}

static bool hits(const char *chance, uint64_t call)
{
    if (strcmp(chance, "always") == 0)
        return true;
    char *end = NULL;
    if (strncmp(chance, "1/", 2) == 0) {
        unsigned long each = strtoul(chance + 2, &end, 10);
        if (each > 0 && *end == '\0')
            return call % each == 0;
    } else {
        double percent = strtod(chance, &end);
        if (end != chance && strcmp(end, "%") == 0)
            return (double)below(1000000) < percent * 10000;
    }
    give_up("not a chance", chance);
}

static void wait_for(unsigned long milliseconds)
{
    struct timespec left = {.tv_sec = (time_t)(milliseconds / 1000), .tv_nsec = (long)(milliseconds % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

/* What one rule does, once it hits. True when it decides and later rules are not asked. */
static bool act(const char *action, const char *number, struct verdict *verdict)
{
    unsigned long value = number_of(number);
    if (strcmp(action, "delay") == 0) {
        wait_for(value);
        return false;
    }
    verdict->code = value;
    if (strcmp(action, "before") == 0)
        verdict->kind = REFUSE;
    else if (strcmp(action, "after") == 0)
        verdict->kind = REFUSE_AFTER;
    else if (strcmp(action, "flip") == 0)
        verdict->kind = FLIP;
    else if (strcmp(action, "empty") == 0)
        verdict->kind = EMPTY;
    else if (strcmp(action, "hang") == 0)
        for (;;)
            pause();
    else if (strcmp(action, "abort") == 0)
        abort();
    else if (strcmp(action, "segfault") == 0) {
        /* A language runtime may have put a handler of its own in the way; this one is to end the process. */
        signal(SIGSEGV, SIG_DFL);
        raise(SIGSEGV);
    } else
        give_up("not an action", action);
    return true;
}

struct verdict rules_judge(enum function function)
{
    struct verdict verdict = {.kind = FORWARD};
    struct counts *counts = &shim.counts[function];
    uint64_t call = atomic_fetch_add(&counts->calls, 1) + 1;
    char text[LONGEST];
    if (!read_file(shim.control, text))
        return verdict;
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        char name[64], chance[32], action[32], number[32] = "0";
        if (sscanf(line, "%63s %31s %31s %31s", name, chance, action, number) < 3)
            give_up("not a rule", line);
        bool is_meant = strcmp(name, "*") == 0 || strcmp(name, function_names[function]) == 0;
        if (!is_meant || !hits(chance, call))
            continue;
        atomic_fetch_add(&counts->hits, 1);
        if (act(action, number, &verdict))
            break;
    }
    return verdict;
}

void rules_log(enum function function, unsigned long result, struct verdict verdict)
{
    static const char *const kinds[] = {"", " instead", " after", " flipped", " empty"};
    if (shim.log < 0)
        return;
    char line[128];
    int length = snprintf(line, sizeof line, "%d %ld %s 0x%lx%s\n", (int)getpid(), syscall(SYS_gettid), function_names[function], result,
                          kinds[verdict.kind]);
    /* One write to a file opened for appending, so that lines of several processes do not mix. */
    if (length > 0 && write(shim.log, line, (size_t)length) != length)
        give_up("the log", strerror(errno));
}
