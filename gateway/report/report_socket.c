/* See report_socket.h. */
#include "gateway/report/report_socket.h"

#include <inttypes.h>

static const double fractions[] = {0.5, 0.9, 0.99, 0.999};
static const char *const fraction_keys[] = {"p50_ns", "p90_ns", "p99_ns", "p999_ns"};
#define FRACTIONS (sizeof(fractions) / sizeof(fractions[0]))

/* What became of busy polling, in words. */
static const char *busy_poll_text(const struct socket_rx_line *line, char ret_text[160])
{
    const uint32_t napi = socket_rx_napi(line);

    if (line->config->busy_poll_us == 0)
        snprintf(ret_text, 160, "no busy poll");
    else if (line->datagram_count == 0)
        snprintf(ret_text, 160, "busy poll: nothing came");
    else if (napi == 0)
        snprintf(ret_text, 160, "busy poll has NO EFFECT: the driver gives its queue no NAPI id");
    else
        snprintf(ret_text, 160, "busy poll of NAPI id %u%s", napi,
                 line->prefer_refused ? ", not preferred (that needs CAP_NET_ADMIN)" : "");
    return ret_text;
}

static void text_hist(const struct hist *hist, const char *name, FILE *out)
{
    if (hist->count == 0)
        return;
    fprintf(out, "    %s, ns: min %" PRIu64 " p50 %" PRIu64 " p99 %" PRIu64 " p99.9 %" PRIu64 " max %" PRIu64 "\n",
            name, hist->min, hist_quantile(hist, 0.5), hist_quantile(hist, 0.99), hist_quantile(hist, 0.999),
            hist->max);
}

void report_socket_text(const struct socket_rx *sockets, FILE *out)
{
    char text[160];

    fprintf(out, "  sockets of the kernel, %s: each look is a system call\n",
            sockets->block ? "the lcore sleeps between datagrams" : "the lcore asks again and again");
    for (uint32_t i = 0; i < sockets->count; i++) {
        const struct socket_rx_line *line = &sockets->line[i];
        fprintf(out, "    %s/%s on %s: %" PRIu64 " datagrams in %" PRIu64 " calls, %" PRIu64
                " dropped by the kernel (buffer of %u KiB), %" PRIu64 " errors; %s\n",
                line->feed_name, line->line_name, line->config->iface, line->datagram_count, line->call_count,
                line->dropped_count, line->buffer_bytes / 1024, line->error_count, busy_poll_text(line, text));
    }
    if (sockets->wait_count > 0)
        fprintf(out, "    %" PRIu64 " sleeps\n", sockets->wait_count);
    text_hist(&sockets->waited, "from the kernel's stamp to ours", out);
    text_hist(&sockets->card, "from the card's stamp (its own clock) to the kernel's", out);
}

static void json_hist(struct json *json, const char *key, const struct hist *hist)
{
    json_open(json, key, '{');
    json_u64(json, "count", hist->count);
    if (hist->count > 0) {
        json_u64(json, "min_ns", hist->min);
        for (size_t i = 0; i < FRACTIONS; i++)
            json_u64(json, fraction_keys[i], hist_quantile(hist, fractions[i]));
        json_u64(json, "max_ns", hist->max);
    }
    json_close(json, '}');
}

void report_socket_json(struct json *json, const struct socket_rx *sockets)
{
    json_open(json, "sockets", '{');
    json_bool(json, "block", sockets->block);
    json_u64(json, "sleeps", sockets->wait_count);
    json_open(json, "lines", '[');
    for (uint32_t i = 0; i < sockets->count; i++) {
        const struct socket_rx_line *line = &sockets->line[i];
        json_open(json, NULL, '{');
        json_text(json, "feed", line->feed_name);
        json_text(json, "line", line->line_name);
        json_text(json, "iface", line->config->iface);
        json_u64(json, "datagrams", line->datagram_count);
        json_u64(json, "calls", line->call_count);
        json_u64(json, "dropped", line->dropped_count);
        json_u64(json, "errors", line->error_count);
        json_u64(json, "buffer_bytes", line->buffer_bytes);
        json_u64(json, "busy_poll_us", line->config->busy_poll_us);
        json_u64(json, "napi_id", socket_rx_napi(line));
        json_close(json, '}');
    }
    json_close(json, ']');
    json_hist(json, "waited", &sockets->waited);
    json_hist(json, "card", &sockets->card);
    json_close(json, '}');
}
