/* `tickgate inspect --books`: what each book holds at the end. Contract in inspect_parts.h. Main thread. */
#include "gateway/cmd/inspect_parts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct book_row { char symbol[9]; uint32_t channel_idx, instrument; };

/* By symbol, then channel, then instrument. */
static int compare_rows(const void *left, const void *right)
{
    const struct book_row *a = left;
    const struct book_row *b = right;
    const int letters = strcmp(a->symbol, b->symbol);
    if (letters != 0)
        return letters;
    if (a->channel_idx != b->channel_idx)
        return a->channel_idx < b->channel_idx ? -1 : 1;
    return a->instrument < b->instrument ? -1 : a->instrument > b->instrument;
}

/* Instruments whose book was ever used, sorted; caller frees. */
static struct book_row *list_books(const struct inspect *inspect, uint32_t *ret_count)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < inspect->channel_count; i++)
        for (uint32_t j = 0; j < INSPECT_INSTRUMENTS_MAX / 64; j++)
            count += (uint32_t)__builtin_popcountll(inspect->channel[i]->had_orders[j]);
    struct book_row *rows = malloc((count + 1) * sizeof(*rows));
    *ret_count = 0;
    if (rows == NULL)
        return NULL;
    for (uint32_t i = 0; i < inspect->channel_count; i++) {
        const struct inspect_channel *found = inspect->channel[i];
        for (uint32_t j = 0; j < INSPECT_INSTRUMENTS_MAX; j++) {
            if ((found->had_orders[j / 64] >> j % 64 & 1) == 0)
                continue;
            struct book_row *row = &rows[(*ret_count)++];
            *row = (struct book_row){.channel_idx = i, .instrument = j};
            inspect_plain_text(&channel_instruments(found->channel)[j].symbol, 8, row->symbol);
        }
    }
    qsort(rows, *ret_count, sizeof(*rows), compare_rows);
    return rows;
}

/* Key of a book: its symbol; made unique where two channels, or two stock locates, have the same. */
static const char *book_key(const struct inspect *inspect, const struct book_row *rows, uint32_t count, uint32_t i,
                            char ret_key[64])
{
    const struct book_row *row = &rows[i];
    const struct book_row *before = i > 0 && strcmp(rows[i - 1].symbol, row->symbol) == 0 ? &rows[i - 1] : NULL;
    const struct book_row *behind = i + 1 < count && strcmp(rows[i + 1].symbol, row->symbol) == 0 ? &rows[i + 1] : NULL;
    char session[MOLD_SESSION_LEN + 2] = "";
    char locate[16] = "";
    if ((before != NULL || behind != NULL) && inspect->channel_count > 1) {
        session[0] = '@';
        inspect_plain_text(inspect->channel[row->channel_idx]->session, MOLD_SESSION_LEN, session + 1);
    }
    if (row->symbol[0] == '\0' || (before != NULL && before->channel_idx == row->channel_idx) ||
        (behind != NULL && behind->channel_idx == row->channel_idx))
        snprintf(locate, sizeof(locate), "#%u", row->instrument);
    snprintf(ret_key, 64, "%s%s%s", row->symbol, session, locate);
    return ret_key;
}

struct side_view { struct book_totals totals; struct book_level_view best; };

static struct side_view view_side(const struct inspect *inspect, const struct book_row *row, uint8_t side)
{
    const struct book *book = channel_book(inspect->channel[row->channel_idx]->channel);
    struct side_view view = {.totals = book_totals(book, row->instrument, side)};
    if (book_levels(book, row->instrument, side, 1, &view.best) == 0)
        view.best = (struct book_level_view){.price = MD_PRICE_NONE};
    return view;
}

void inspect_books_json(struct json *json, const struct inspect *inspect)
{
    uint32_t count;
    struct book_row *rows = list_books(inspect, &count);
    json_open(json, "books", '{');
    for (uint32_t i = 0; i < count; i++) {
        char key[64];
        const struct side_view bid = view_side(inspect, &rows[i], 'B');
        const struct side_view ask = view_side(inspect, &rows[i], 'S');
        json_open(json, book_key(inspect, rows, count, i, key), '{');
        inspect_json_side(json, "bid", bid.best.price, bid.best.qty);
        inspect_json_side(json, "ask", ask.best.price, ask.best.qty);
        json_u64(json, "bid_levels", bid.totals.level_count);
        json_u64(json, "ask_levels", ask.totals.level_count);
        json_u64(json, "orders", (uint64_t)bid.totals.order_count + ask.totals.order_count);
        json_u64(json, "bid_qty", bid.totals.qty);
        json_u64(json, "ask_qty", ask.totals.qty);
        json_close(json, '}');
    }
    json_close(json, '}');
    free(rows);
}

void inspect_books_text(const struct inspect *inspect)
{
    uint32_t count;
    struct book_row *rows = list_books(inspect, &count);
    if (count > 0)
        printf("\n%-12s %10s %12s %12s %-10s %13s %9s %21s\n", "symbol", "bid qty", "bid", "ask", "ask qty",
               "levels", "orders", "total qty bid / ask");
    for (uint32_t i = 0; i < count; i++) {
        char key[64], bid_text[24] = "-", ask_text[24] = "-", levels[24], totals[48];
        const struct side_view bid = view_side(inspect, &rows[i], 'B');
        const struct side_view ask = view_side(inspect, &rows[i], 'S');
        if (bid.best.price != MD_PRICE_NONE)
            inspect_price_text(bid.best.price, bid_text);
        if (ask.best.price != MD_PRICE_NONE)
            inspect_price_text(ask.best.price, ask_text);
        snprintf(levels, sizeof(levels), "%u / %u", bid.totals.level_count, ask.totals.level_count);
        snprintf(totals, sizeof(totals), "%" PRIu64 " / %" PRIu64, bid.totals.qty, ask.totals.qty);
        printf("%-12s %10" PRIu64 " %12s %12s %-10" PRIu64 " %13s %9u %21s\n", book_key(inspect, rows, count, i, key),
               bid.best.qty, bid_text, ask_text, ask.best.qty, levels,
               bid.totals.order_count + ask.totals.order_count, totals);
    }
    free(rows);
}
