#include "feed/instrument.h"
