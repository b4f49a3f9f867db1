#ifndef GATEWAY_CLOCK_H
#define GATEWAY_CLOCK_H
#endif
