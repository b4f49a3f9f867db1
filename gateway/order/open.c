#include "gateway/order/open.h"
