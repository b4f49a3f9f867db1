#include "gateway/capture/capture.h"
