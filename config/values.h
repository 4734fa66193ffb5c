// How single values are written in the configuration: sizes, durations, names. Pure functions; an
// empty optional or a reason means "no". The command line uses them for its own arguments.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backend/base/units.h"
#include "config/config.h"

namespace swiftness::config {

// "512KiB", "1GiB": a whole number and KiB, MiB, GiB or TiB.
std::optional<ByteCount> parse_size(std::string_view text);
std::string to_string(ByteCount size);  // in the largest unit that divides it: "100GiB", "4097B"

std::optional<uint32_t> parse_percent(std::string_view text);  // "90%"

// "250ms", "25s", "2m", "1h".
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);
std::string to_string(std::chrono::milliseconds duration);

// "127.0.0.1:3260", "[::1]:3260", "gw1.example:3260"; without a port, `default_port` if there is
// one.
std::optional<Endpoint> parse_endpoint(std::string_view text, std::optional<uint16_t> default_port);
std::string to_string(const Endpoint& endpoint);
bool is_ip_address(const std::string& text);

const std::vector<std::string>& access_state_names();  // in the order of AccessState
std::string to_string(AccessState state);

// Why `name` is no iSCSI name (RFC 7143 4.2.7, RFC 3722); nothing when it is one.
std::optional<std::string> why_not_iscsi_name(std::string_view name);

// Why `name` cannot name a volume or a store; nothing when it can.
std::optional<std::string> why_not_name(std::string_view name);

// The candidate that was probably meant, if one is near enough.
std::optional<std::string> nearest(std::string_view word,
                                   const std::vector<std::string>& candidates);
// The same for the end of a message: `; did you mean "vm-disk"?` or nothing.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace swiftness::config
