#include "gateway/order/ouch.h"
