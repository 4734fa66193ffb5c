#include "config/values.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/address.hpp>
#include <charconv>
#include <limits>
#include <numeric>

namespace swiftness::config {
namespace {

constexpr size_t kLongestIscsiName = 223;  // bytes, RFC 7143 4.2.7.1

struct SizeUnit {
  std::string_view name;
  unsigned shift;
};
constexpr std::array<SizeUnit, 4> kSizeUnits{{{"TiB", 40}, {"GiB", 30}, {"MiB", 20}, {"KiB", 10}}};

struct TimeUnit {
  std::string_view name;
  int64_t milliseconds;
};
constexpr std::array<TimeUnit, 4> kTimeUnits{
    {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}}};

std::optional<uint64_t> parse_number(std::string_view text) {
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}
bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_hex_digit(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), is_hex_digit);
}

// "iqn." yyyy-mm "." reversed domain [":" anything]
std::optional<std::string> why_not_iqn(std::string_view name) {
  std::string_view date = name.substr(4, 7);
  bool dated = date.size() == 7 && date[4] == '-' &&
               std::all_of(date.begin(), date.begin() + 4, is_digit) && is_digit(date[5]) &&
               is_digit(date[6]);
  if (!dated || date.substr(5) < "01" || date.substr(5) > "12") {
    return "needs a year and month after \"iqn.\", as in iqn.2026-11.org.example:disk";
  }
  std::string_view rest = name.substr(11);
  if (rest.size() < 2 || rest[0] != '.' || rest[1] == '.' || rest[1] == ':') {
    return "needs a reversed domain name after the date, as in iqn.2026-11.org.example:disk";
  }
  for (char c : name) {
    if (is_upper(c)) return "has upper-case letters; iSCSI names are lower case (RFC 3722)";
    if (!is_lower(c) && !is_digit(c) && c != '-' && c != '.' && c != ':') {
      return "may have only a-z, 0-9, '-', '.' and ':'";
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<ByteCount> parse_size(std::string_view text) {
  for (const SizeUnit& unit : kSizeUnits) {
    if (!text.ends_with(unit.name)) continue;
    std::optional<uint64_t> number = parse_number(text.substr(0, text.size() - unit.name.size()));
    if (!number || *number > (std::numeric_limits<uint64_t>::max() >> unit.shift)) {
      return std::nullopt;
    }
    return ByteCount(*number << unit.shift);
  }
  return std::nullopt;
}

std::optional<uint32_t> parse_percent(std::string_view text) {
  if (!text.ends_with('%')) return std::nullopt;
  std::optional<uint64_t> number = parse_number(text.substr(0, text.size() - 1));
  if (!number || *number > 100) return std::nullopt;
  return static_cast<uint32_t>(*number);
}

std::string to_string(ByteCount size) {
  for (const SizeUnit& unit : kSizeUnits) {
    uint64_t whole = size.value() >> unit.shift;
    if (whole > 0 && whole << unit.shift == size.value())
      return fmt::format("{}{}", whole, unit.name);
  }
  return fmt::format("{}B", size.value());
}

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  size_t digits = 0;
  while (digits < text.size() && is_digit(text[digits])) ++digits;
  std::optional<uint64_t> number = parse_number(text.substr(0, digits));
  for (const TimeUnit& unit : kTimeUnits) {
    if (text.substr(digits) != unit.name) continue;
    constexpr uint64_t kMost = 1'000'000'000;  // of any unit; keeps the product in range
    if (!number || *number > kMost) return std::nullopt;
    return std::chrono::milliseconds(static_cast<int64_t>(*number) * unit.milliseconds);
  }
  return std::nullopt;
}

std::string to_string(std::chrono::milliseconds duration) {
  for (auto unit = kTimeUnits.rbegin(); unit != kTimeUnits.rend(); ++unit) {
    int64_t count = duration.count();
    if (count != 0 && count % unit->milliseconds == 0) {
      return fmt::format("{}{}", count / unit->milliseconds, unit->name);
    }
  }
  return "0s";
}

std::optional<Endpoint> parse_endpoint(std::string_view text,
                                       std::optional<uint16_t> default_port) {
  std::string_view host = text;
  std::optional<std::string_view> port;
  if (text.starts_with('[')) {
    size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    host = text.substr(1, end - 1);
    if (end + 1 < text.size()) {
      if (text[end + 1] != ':') return std::nullopt;
      port = text.substr(end + 2);
    }
    if (!is_ip_address(std::string(host))) return std::nullopt;
  } else if (size_t colon = text.find(':'); colon != std::string_view::npos) {
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
  }
  auto fits_a_host = [](char c) {
    return is_lower(c) || is_upper(c) || is_digit(c) || c == '-' || c == '.' || c == ':' ||
           c == '%';
  };
  if (host.empty() || !std::all_of(host.begin(), host.end(), fits_a_host)) return std::nullopt;
  if (!port) {
    if (!default_port) return std::nullopt;
    return Endpoint{std::string(host), *default_port};
  }
  std::optional<uint64_t> number = parse_number(*port);
  if (!number || *number == 0 || *number > 65535) return std::nullopt;
  return Endpoint{std::string(host), static_cast<uint16_t>(*number)};
}

std::string to_string(const Endpoint& endpoint) {
  bool is_v6 = endpoint.host.find(':') != std::string::npos;
  return is_v6 ? fmt::format("[{}]:{}", endpoint.host, endpoint.port)
               : fmt::format("{}:{}", endpoint.host, endpoint.port);
}

bool is_ip_address(const std::string& text) {
  boost::system::error_code error;
  boost::asio::ip::make_address(text, error);
  return !error;
}

std::optional<std::string> why_not_iscsi_name(std::string_view name) {
  if (name.size() > kLongestIscsiName) {
    return fmt::format("has {} bytes; an iSCSI name has at most {}", name.size(),
                       kLongestIscsiName);
  }
  if (name.starts_with("iqn.")) return why_not_iqn(name);
  if (name.starts_with("eui.")) {
    if (name.size() == 4 + 16 && is_hex(name.substr(4))) return std::nullopt;
    return "needs 16 hexadecimal digits after \"eui.\"";
  }
  if (name.starts_with("naa.")) {
    bool right_length = name.size() == 4 + 16 || name.size() == 4 + 32;
    if (right_length && is_hex(name.substr(4))) return std::nullopt;
    return "needs 16 or 32 hexadecimal digits after \"naa.\"";
  }
  return "is not an iSCSI name (iqn.YYYY-MM.reversed.domain:name, eui.... or naa....)";
}

const std::vector<std::string>& access_state_names() {
  static const std::vector<std::string> names{"optimized", "non_optimized", "standby",
                                              "unavailable"};
  return names;
}

std::string to_string(AccessState state) {
  return access_state_names()[static_cast<size_t>(state)];
}

std::optional<std::string> why_not_name(std::string_view name) {
  auto fits = [](char c) { return is_lower(c) || is_digit(c) || c == '.' || c == '_' || c == '-'; };
  bool starts_well = !name.empty() && (is_lower(name[0]) || is_digit(name[0]));
  if (name.size() <= 64 && starts_well && std::all_of(name.begin(), name.end(), fits)) {
    return std::nullopt;
  }
  return "is not a name (1 to 64 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit)";
}

std::optional<std::string> nearest(std::string_view word,
                                   const std::vector<std::string>& candidates) {
  // Levenshtein's distance, one row at a time.
  auto distance = [word](std::string_view other) {
    std::vector<size_t> row(other.size() + 1);
    std::iota(row.begin(), row.end(), size_t{0});
    for (size_t i = 0; i < word.size(); ++i) {
      size_t diagonal = row[0];
      row[0] = i + 1;
      for (size_t j = 0; j < other.size(); ++j) {
        size_t replaced = diagonal + (word[i] == other[j] ? 0 : 1);
        diagonal = row[j + 1];
        row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
      }
    }
    return row.back();
  };
  std::optional<std::string> best;
  size_t least = std::max<size_t>(1, (word.size() + 1) / 3) + 1;
  for (const std::string& candidate : candidates) {
    if (size_t d = distance(candidate); d < least) {
      least = d;
      best = candidate;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates) {
  std::optional<std::string> meant = nearest(word, candidates);
  return meant ? fmt::format("; did you mean \"{}\"?", *meant) : std::string();
}

}  // namespace swiftness::config
