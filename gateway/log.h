/* stderr of a live gateway. Whoever reads it may stand still (a held terminal, a pager, a full pipe): a line that is
 * not taken at once is dropped and counted, since the control thread, which says them, also has TCP, the kill and the
 * operators' socket to serve. Main thread. */
#ifndef GATEWAY_LOG_H
#define GATEWAY_LOG_H

/* From here on no line waits. */
void log_open(void);
/* As before log_open. */
void log_close(void);

#endif
