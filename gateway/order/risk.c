#include "gateway/order/risk.h"
