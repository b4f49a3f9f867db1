#include "gateway/order/order_frame.h"
