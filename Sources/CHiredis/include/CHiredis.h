#ifndef SLUICE_CHIREDIS_H
#define SLUICE_CHIREDIS_H

#include <stddef.h>
#include <stdint.h>
#include <hiredis/hiredis.h>

/* Kinds of a reply's elements, the same in hiredis 0.14 and 1.x. */
enum {
    SLUICE_REPLY_TEXT = REDIS_REPLY_STRING,
    SLUICE_REPLY_ARRAY = REDIS_REPLY_ARRAY,
    SLUICE_REPLY_INTEGER = REDIS_REPLY_INTEGER,
    SLUICE_REPLY_NIL = REDIS_REPLY_NIL,
    SLUICE_REPLY_STATUS = REDIS_REPLY_STATUS,
    SLUICE_REPLY_ERROR = REDIS_REPLY_ERROR
};

/* One element of a reply, flattened depth first. An array is followed by its elements; `integer` is its count.
 * Text lies in the reply's text at `offset`, `length` bytes. */
typedef struct {
    int64_t integer;
    uint32_t offset;
    uint32_t length;
    int32_t kind;
} sluice_element;

/* A RESP2 reader whose replies land in two growing arrays that are reused: no allocation per reply once they have
 * grown. The reply stays valid until the next call of sluice_reader_next. */
typedef struct sluice_reader sluice_reader;

/* NULL when memory is short. The caller owns the reader. */
sluice_reader *sluice_reader_create(void);
void sluice_reader_free(sluice_reader *reader);

/* Copies `length` bytes in, at most 16 KiB at a time. 0, or -1 when the stream is broken. */
int sluice_reader_feed(sluice_reader *reader, const void *bytes, size_t length);

/* 1: a reply is ready; 0: more bytes are needed; -1: the stream is broken, for good. */
int sluice_reader_next(sluice_reader *reader);

const sluice_element *sluice_reader_elements(const sluice_reader *reader, size_t *count);
const char *sluice_reader_text(const sluice_reader *reader);

#endif
