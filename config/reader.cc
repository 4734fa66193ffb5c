#include "config/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "config/sections.h"
#include "config/values.h"

namespace swiftness::config {
namespace {

std::string join(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : path + "." + std::string(key);
}

int line_of(const YAML::Node& node, int otherwise) {
  YAML::Mark mark = node.Mark();
  return mark.is_null() ? otherwise : mark.line + 1;
}

std::vector<std::string> take(std::vector<std::pair<int, std::string>>& lines) {
  std::stable_sort(lines.begin(), lines.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> out;
  for (auto& [line, text] : lines) out.push_back(std::move(text));
  lines.clear();
  return out;
}

// Leaves `out` as it is when the value is absent or wrong.
template <class Quantity>
void read_quantity(const std::optional<Value>& value, Quantity& out,
                   std::pair<Quantity, Quantity> range,
                   std::optional<Quantity> (*parse)(std::string_view), std::string_view not_one) {
  std::optional<std::string> text = value ? value->text() : std::nullopt;
  if (!text) return;
  std::optional<Quantity> quantity = parse(*text);
  if (!quantity) {
    value->error(fmt::format("\"{}\" {}", *text, not_one));
  } else if (*quantity < range.first || *quantity > range.second) {
    value->error(fmt::format("\"{}\" is not from {} to {}", *text, to_string(range.first),
                             to_string(range.second)));
  } else {
    out = *quantity;
  }
}

}  // namespace

std::string Report::format(const Place& place, const std::string& text) const {
  std::string line =
      place.line > 0 ? fmt::format("{}:{}", file_.native(), place.line) : file_.native();
  return place.key.empty() ? fmt::format("{}: {}", line, text)
                           : fmt::format("{}: {}: {}", line, place.key, text);
}

void Report::error(const Place& place, const std::string& text) {
  errors_.emplace_back(place.line, format(place, text));
}

void Report::warning(const Place& place, const std::string& text) {
  warnings_.emplace_back(place.line, format(place, text));
}

std::vector<std::string> Report::take_errors() {
  return take(errors_);
}
std::vector<std::string> Report::take_warnings() {
  return take(warnings_);
}

std::optional<std::string> Value::text() const {
  if (!node_.IsScalar()) {
    error(node_.IsNull() ? "has no value" : "must be a single value");
    return std::nullopt;
  }
  if (node_.Scalar().empty()) {
    error("is empty");
    return std::nullopt;
  }
  return node_.Scalar();
}

std::optional<uint64_t> Value::number(uint64_t least, uint64_t most) const {
  std::optional<std::string> digits = text();
  if (!digits) return std::nullopt;
  uint64_t value = 0;
  const char* end = digits->data() + digits->size();
  auto [stopped, failure] = std::from_chars(digits->data(), end, value);
  if (failure != std::errc() || stopped != end || value < least || value > most) {
    error(fmt::format("\"{}\" is not a number from {} to {}", *digits, least, most));
    return std::nullopt;
  }
  return value;
}

std::optional<bool> Value::boolean() const {
  std::optional<std::string> word = text();
  if (!word) return std::nullopt;
  if (*word == "true") return true;
  if (*word == "false") return false;
  error(fmt::format("\"{}\" is neither true nor false", *word));
  return std::nullopt;
}

Section Value::section() const {
  return Section(node_, place_, *report_);
}

std::vector<Value> Value::items() const {
  std::vector<Value> out;
  if (node_.IsNull()) return out;
  if (!node_.IsSequence()) {
    error("must be a list");
    return out;
  }
  for (const YAML::Node& item : node_) {
    Place place{line_of(item, place_.line), fmt::format("{}[{}]", place_.key, out.size())};
    report_->note(place);
    out.emplace_back(item, std::move(place), *report_);
  }
  return out;
}

Section::Section(const YAML::Node& node, Place place, Report& report)
    : place_(std::move(place)), report_(&report) {
  if (node.IsNull()) return;
  if (!node.IsMap()) {
    error("must be a mapping (key: value)");
    return;
  }
  for (const auto& pair : node) {
    int line = line_of(pair.first, place_.line);
    if (!pair.first.IsScalar()) {
      report.error({line, place_.key}, "has a key that is not a word");
      continue;
    }
    const std::string& key = pair.first.Scalar();
    Place at{line, join(place_.key, key)};
    auto is_same = [&key](const Entry& entry) { return entry.key == key; };
    auto first = std::find_if(entries_.begin(), entries_.end(), is_same);
    if (first != entries_.end()) {
      report.error(
          at, fmt::format("is given twice; the first is on line {}", first->value.place().line));
      continue;
    }
    report.note(at);
    entries_.push_back({key, Value(pair.second, std::move(at), report)});
  }
}

std::optional<Value> Section::find(std::string_view key) {
  asked_for_.emplace_back(key);
  for (Entry& entry : entries_) {
    if (entry.key != key) continue;
    entry.known = true;
    return entry.value;
  }
  return std::nullopt;
}

std::optional<Value> Section::required(std::string_view key) {
  std::optional<Value> value = find(key);
  if (!value) report_->error({place_.line, join(place_.key, key)}, "is missing");
  return value;
}

Section Section::section(std::string_view key) {
  std::optional<Value> value = find(key);
  if (value) return value->section();
  return Section(YAML::Node(), {place_.line, join(place_.key, key)}, *report_);
}

std::vector<Value> Section::items(std::string_view key) {
  std::optional<Value> value = find(key);
  return value ? value->items() : std::vector<Value>();
}

void Section::text(std::string_view key, std::string& out) {
  std::optional<Value> value = find(key);
  if (!value) return;
  if (std::optional<std::string> text = value->text()) out = *text;
}

void Section::boolean(std::string_view key, bool& out) {
  std::optional<Value> value = find(key);
  if (!value) return;
  if (std::optional<bool> boolean = value->boolean()) out = *boolean;
}

void Section::path(std::string_view key, std::filesystem::path& out,
                   const std::filesystem::path& relative_to) {
  std::optional<Value> value = find(key);
  if (!value) return;
  if (std::optional<std::string> text = value->text()) out = relative_to / *text;
}

void Section::size(std::string_view key, ByteCount& out, std::pair<ByteCount, ByteCount> range) {
  read_quantity(find(key), out, range, parse_size, "is not a size (use KiB, MiB, GiB or TiB)");
}

void Section::duration(std::string_view key, std::chrono::milliseconds& out,
                       std::pair<std::chrono::milliseconds, std::chrono::milliseconds> range) {
  read_quantity(find(key), out, range, parse_duration, "is not a duration (use ms, s, m or h)");
}

void Section::unsupported(std::string_view key) {
  if (std::optional<Value> value = find(key)) value->error(std::string(kNotSupported));
}

void Section::only(std::string_view key, std::string_view supported) {
  std::optional<Value> value = find(key);
  if (!value) return;
  if (value->is_map()) {
    value->error(fmt::format("{} (use {})", kNotSupported, supported));
    return;
  }
  std::optional<std::string> text = value->text();
  if (text && *text != supported) {
    value->error(fmt::format("\"{}\" is {} (use {})", *text, kNotSupported, supported));
  }
}

std::vector<std::pair<std::string, Value>> Section::entries() {
  std::vector<std::pair<std::string, Value>> out;
  for (Entry& entry : entries_) {
    entry.known = true;
    out.emplace_back(entry.key, entry.value);
  }
  return out;
}

void Section::finish() {
  for (const Entry& entry : entries_) {
    if (entry.known) continue;
    entry.value.error("unknown key" + did_you_mean(entry.key, asked_for_));
  }
}

}  // namespace swiftness::config
