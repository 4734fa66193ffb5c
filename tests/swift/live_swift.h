// The Swift that live tests talk to, as the environment names it (tests/interop/swift_live_test
// sets it):
//   SWIFTNESS_TEST_SWIFT_URL, _USER, _KEY   where to log in, and as whom
//   SWIFTNESS_TEST_SWIFT_PROJECT            with it the URL is a Keystone's: other ways to log in,
//                                           too, with _USER_ID, _PROJECT_ID, _CREDENTIAL, _SECRET
//   SWIFTNESS_TEST_SWIFT_CA                 a file: over TLS
//   SWIFTNESS_TEST_SWIFT_ENDPOINTS          several proxies, with commas between them
#pragma once

#include <cstdlib>
#include <sstream>
#include <string>

#include "backend/base/uuid.h"
#include "backend/store_config.h"

namespace swiftness::test {

inline std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

inline bool have_keystone() {
  return !environment("SWIFTNESS_TEST_SWIFT_PROJECT").empty();
}

inline AuthV3Config keystone_password() {
  AuthV3Config auth;
  auth.user.name = environment("SWIFTNESS_TEST_SWIFT_USER");
  auth.user_domain.name = auth.project_domain.name = "Default";
  auth.secret = environment("SWIFTNESS_TEST_SWIFT_KEY");
  auth.project.name = environment("SWIFTNESS_TEST_SWIFT_PROJECT");
  return auth;
}

inline SwiftStoreConfig live_config() {
  SwiftStoreConfig config;
  config.auth_urls = {environment("SWIFTNESS_TEST_SWIFT_URL")};
  config.auth = AuthV1Config{environment("SWIFTNESS_TEST_SWIFT_USER"),
                             environment("SWIFTNESS_TEST_SWIFT_KEY")};
  if (have_keystone()) config.auth = keystone_password();
  config.tls.ca_file = environment("SWIFTNESS_TEST_SWIFT_CA");
  std::istringstream endpoints(environment("SWIFTNESS_TEST_SWIFT_ENDPOINTS"));
  for (std::string one; std::getline(endpoints, one, ',');) config.endpoints.push_back(one);
  config.prefix = "test-" + to_string(Uuid::random());
  return config;
}

inline bool have_swift() {
  return !environment("SWIFTNESS_TEST_SWIFT_URL").empty();
}

}  // namespace swiftness::test
