// `swiftness store ...`: what Swift's API does, for people who look into a store. These commands
// speak to the Swift of a configuration directly, and know nothing of volumes: names are as Swift
// has them.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "backend/swift/swift_account.h"
#include "target/cli/commands.h"

namespace swiftness::cli {

// What the words after `swiftness store` say; each command has its own part of it.
struct StoreRequest {
  std::string store;   // empty: the only one that is a Swift
  std::string output;  // a file; empty: standard output
  std::string path;    // CONTAINER, CONTAINER/OBJECT, or empty: the account
  std::string target;  // of a copy
  std::vector<std::string> objects;
  std::string file;  // to put; empty or "-": standard input
  std::string policy;
  std::string range;
  std::string format = "text";        // or json, xml, plain
  std::string method = "put";         // or copy
  std::vector<std::string> metadata;  // KEY=VALUE
  ListOptions list;
  ReadOptions read;
  WriteOptions write;
  bool quick = false;  // of a check
};

// The store meant, or an exit code, when it was said why.
std::variant<SwiftStoreConfig, int> choose_swift(const Common& common, const StoreRequest& request);

int store_info(const Common& common, const StoreRequest& request);
int store_list(const Common& common, const StoreRequest& request);
int store_create(const Common& common, const StoreRequest& request);
int store_remove_container(const Common& common, const StoreRequest& request);
int store_head(const Common& common, const StoreRequest& request);
int store_get(const Common& common, const StoreRequest& request);
int store_put(const Common& common, const StoreRequest& request);
int store_copy(const Common& common, const StoreRequest& request);
int store_post(const Common& common, const StoreRequest& request);
int store_delete(const Common& common, const StoreRequest& request);

}  // namespace swiftness::cli
