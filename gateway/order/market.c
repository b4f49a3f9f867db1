#include "gateway/order/market.h"
