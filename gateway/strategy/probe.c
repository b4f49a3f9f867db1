#include "gateway/strategy/strategy.h"
