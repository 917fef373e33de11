#include "CHiredis.h"

#include <stdlib.h>
#include <string.h>

struct sluice_reader {
    redisReader *reader;
    sluice_element *elements;
    size_t count, capacity;
    char *text;
    size_t text_length, text_capacity;
};

/* hiredis asks only that a created object is not NULL; there is no tree to build. */
static void *const created = (void *)1;

static sluice_element *append(const redisReadTask *task) {
    sluice_reader *sink = task->privdata;
    if (sink->count == sink->capacity) {
        size_t capacity = sink->capacity * 2;
        sluice_element *grown = realloc(sink->elements, capacity * sizeof *grown);
        if (grown == NULL) return NULL;
        sink->elements = grown;
        sink->capacity = capacity;
    }
    sluice_element *element = &sink->elements[sink->count++];
    element->integer = 0;
    element->offset = 0;
    element->length = 0;
    element->kind = task->type;
    return element;
}

static void *create_string(const redisReadTask *task, char *bytes, size_t length) {
    sluice_reader *sink = task->privdata;
    if (length > UINT32_MAX || sink->text_length > UINT32_MAX - length) return NULL;
    if (sink->text_capacity - sink->text_length < length) {
        size_t capacity = (sink->text_length + length) * 2;
        char *grown = realloc(sink->text, capacity);
        if (grown == NULL) return NULL;
        sink->text = grown;
        sink->text_capacity = capacity;
    }
    sluice_element *element = append(task);
    if (element == NULL) return NULL;
    memcpy(sink->text + sink->text_length, bytes, length);
    element->offset = (uint32_t)sink->text_length;
    element->length = (uint32_t)length;
    sink->text_length += length;
    return created;
}

#if HIREDIS_MAJOR >= 1
static void *create_array(const redisReadTask *task, size_t elements) {
#else
static void *create_array(const redisReadTask *task, int elements) {
#endif
    sluice_element *element = append(task);
    if (element == NULL) return NULL;
    element->integer = (int64_t)elements;
    return created;
}

static void *create_integer(const redisReadTask *task, long long value) {
    sluice_element *element = append(task);
    if (element == NULL) return NULL;
    element->integer = value;
    return created;
}

static void *create_nil(const redisReadTask *task) {
    sluice_element *element = append(task);
    if (element == NULL) return NULL;
    /* The task still has the type of the string or array that is not there. */
    element->kind = REDIS_REPLY_NIL;
    return created;
}

#if HIREDIS_MAJOR >= 1
/* RESP3 only; the link never asks for it. */
static void *create_double(const redisReadTask *task, double value, char *text, size_t length) {
    (void)value;
    return create_string(task, text, length);
}

static void *create_bool(const redisReadTask *task, int value) {
    return create_integer(task, value);
}
#endif

static redisReplyObjectFunctions functions = {
    .createString = create_string,
    .createArray = create_array,
    .createInteger = create_integer,
    .createNil = create_nil,
#if HIREDIS_MAJOR >= 1
    .createDouble = create_double,
    .createBool = create_bool,
#endif
    .freeObject = NULL,
};

sluice_reader *sluice_reader_create(void) {
    sluice_reader *sink = calloc(1, sizeof *sink);
    if (sink == NULL) return NULL;
    sink->capacity = 256;
    sink->text_capacity = 1024;
    sink->elements = malloc(sink->capacity * sizeof *sink->elements);
    sink->text = malloc(sink->text_capacity);
    sink->reader = redisReaderCreateWithFunctions(&functions);
    if (sink->elements == NULL || sink->text == NULL || sink->reader == NULL) {
        sluice_reader_free(sink);
        return NULL;
    }
    sink->reader->privdata = sink;
    return sink;
}

void sluice_reader_free(sluice_reader *sink) {
    if (sink == NULL) return;
    if (sink->reader != NULL) redisReaderFree(sink->reader);
    free(sink->elements);
    free(sink->text);
    free(sink);
}

int sluice_reader_feed(sluice_reader *sink, const void *bytes, size_t length) {
    return redisReaderFeed(sink->reader, bytes, length) == REDIS_OK ? 0 : -1;
}

int sluice_reader_next(sluice_reader *sink) {
    /* A reply that is only partly here keeps what it has: the next call goes on with it. */
    if (sink->reader->ridx == -1) {
        sink->count = 0;
        sink->text_length = 0;
    }
    void *reply = NULL;
    if (redisReaderGetReply(sink->reader, &reply) != REDIS_OK) return -1;
    return reply == NULL ? 0 : 1;
}

const sluice_element *sluice_reader_elements(const sluice_reader *sink, size_t *count) {
    *count = sink->count;
    return sink->elements;
}

const char *sluice_reader_text(const sluice_reader *sink) {
    return sink->text;
}
