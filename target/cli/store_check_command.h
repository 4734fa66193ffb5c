// swiftness store check: whether a Swift is fit for disks.
#pragma once

#include "target/cli/store_commands.h"

namespace swiftness::cli {

int store_check(const Common& common, const StoreRequest& request);

}  // namespace swiftness::cli
