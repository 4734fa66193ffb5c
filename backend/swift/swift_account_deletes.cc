// SwiftAccount::remove(): one by one, and in bulk.
#include <fmt/format.h>

#include <algorithm>

#include "backend/base/gate.h"
#include "backend/swift/bulk_delete.h"
#include "backend/swift/swift_account.h"
#include "backend/swift/swift_client.h"
#include "backend/swift/swift_protocol.h"

namespace swiftness {
namespace {

constexpr size_t kDeletesBesideEachOther = 8;
// Of one bulk delete, whatever Swift would take: it does them two by two and says nothing meanwhile
// for ten seconds, which must be enough on a busy cluster too.
constexpr uint64_t kMostInBulk = 100;
constexpr uint64_t kMostBulkReport = 16 << 20;  // bytes

Judgement judge_bulk(const HttpResponse& response) {
  if (Judgement failed = judge_success(response)) return failed;
  Result<BulkDeleteAnswer> report = parse_bulk_delete(response.body.text());
  if (!report.ok()) return broken_answer(response, report.error().message());
  return std::nullopt;
}

bool is_hopeless(ErrorCode code) {
  return code == ErrorCode::unavailable || code == ErrorCode::timed_out ||
         code == ErrorCode::unauthorized;
}

}  // namespace

Async<void> SwiftAccount::remove(SwiftPath object) {
  if (object.object.empty()) co_return no_object(object);
  Result<SwiftInfo> info = co_await check(object);
  if (!info.ok()) co_return info.error();
  SwiftRequest request = request_for("DELETE", object);
  request.judge = judge_delete;  // 404 is decided below
  // Sent twice, it may have been the first that deleted it: only our own loop may, which knows of
  // it.
  request.fresh_connection = true;
  Result<SwiftAnswer> answer = co_await perform(std::move(request));
  if (!answer.ok()) co_return answer.error();
  if (answer->response.status == 404 && !answer->maybe_done_before) {
    co_return Error(ErrorCode::not_found, fmt::format("DELETE {}: {}", to_string(object),
                                                      failure_of(answer->response).reason));
  }
  co_return Result<void>();
}

Task SwiftAccount::remove_the_next(const std::vector<SwiftPath>& objects, size_t& next,
                                   DeleteReport& report) {
  while (next < objects.size()) {
    const SwiftPath& object = objects[next++];
    Result<void> gone = co_await remove(object);
    if (gone.ok()) {
      ++report.deleted;
    } else if (gone.error().code() == ErrorCode::not_found) {
      ++report.not_found;
    } else {
      report.failures.push_back({object, gone.error()});
      if (!is_hopeless(gone.error().code())) continue;
      for (; next < objects.size(); ++next) {
        report.failures.push_back({objects[next], gone.error()});
      }
    }
  }
}

Async<void> SwiftAccount::remove_one_by_one(std::vector<SwiftPath> objects, DeleteReport& report) {
  size_t next = 0;
  FanOut deletes(executor_);
  for (size_t i = 0; i < std::min(kDeletesBesideEachOther, objects.size()); ++i) {
    deletes.add(remove_the_next(objects, next, report));
  }
  co_await deletes.join();
  co_return Result<void>();
}

// Fails when Swift does not do it in bulk: then nothing has been reported.
Async<void> SwiftAccount::remove_in_bulk(std::vector<SwiftPath> objects, DeleteReport& report) {
  std::string list;
  for (const SwiftPath& object : objects) {
    list += bulk_delete_line({object.container, object.object}) + "\n";
  }
  SwiftRequest request = request_for("POST", {});
  request.query = "bulk-delete";
  request.headers = {{"Content-Type", "text/plain"}, {"Accept", "application/json"}};
  request.body = Buffer::copy_of(list);
  request.most_body = kMostBulkReport;
  request.judge = judge_bulk;
  Result<SwiftAnswer> answer = co_await perform(std::move(request));
  if (!answer.ok()) co_return answer.error().within("bulk delete");
  Result<BulkDeleteAnswer> told = parse_bulk_delete(answer->response.body.text());
  if (!told.ok()) co_return told.error();
  if (told->accounted_for() == 0) {
    co_return Error(ErrorCode::invalid, fmt::format("bulk delete: {}", told->words));
  }

  // Ended early, it does not say which ones it came to: none of them counts as deleted.
  const std::string transaction = transaction_of(answer->response);
  std::vector<SwiftPath> silent;  // no failure of theirs is told
  size_t told_failures = 0;
  for (const SwiftPath& object : objects) {
    auto failed =
        std::ranges::find(told->failed, to_string(object), &BulkDeleteAnswer::Failed::name);
    if (failed == told->failed.end()) {
      silent.push_back(object);
      continue;
    }
    ++told_failures;
    HttpResponse one;
    one.status = failed->status;
    report.failures.push_back(
        {object,
         Error(failure_of(one).code, fmt::format("bulk delete of {}: {}{}", to_string(object),
                                                 failed->words, transaction))});
  }
  if (told->accounted_for() == objects.size() && told_failures == told->failed.size()) {
    report.deleted += told->deleted;
    report.not_found += told->not_found;
    co_return Result<void>();
  }
  for (const SwiftPath& object : silent) {
    report.failures.push_back(
        {object, Error(ErrorCode::unavailable,
                       fmt::format("bulk delete of {}: ended early, it may be there still: {}{}",
                                   to_string(object), told->words, transaction))});
  }
  co_return Result<void>();
}

Async<DeleteReport> SwiftAccount::remove(std::vector<SwiftPath> objects) {
  Result<SwiftInfo> info = co_await limits();
  if (!info.ok()) co_return info.error();
  for (const SwiftPath& object : objects) {
    if (object.object.empty()) co_return no_object(object);
    Result<void> fits = check_path(*info, object);
    if (!fits.ok()) co_return fits.error().within(to_string(object));
  }
  // A longer line may end Swift's reading of the whole list (its buffer takes two).
  const uint64_t longest = info->max_object_name_length + info->max_container_name_length;
  std::vector<SwiftPath> in_bulk;
  std::vector<SwiftPath> singly;
  for (SwiftPath& object : objects) {
    const size_t length = bulk_delete_line({object.container, object.object}).size();
    (info->bulk_delete && length <= longest ? in_bulk : singly).push_back(std::move(object));
  }
  if (in_bulk.size() < 2) std::ranges::move(std::exchange(in_bulk, {}), std::back_inserter(singly));

  DeleteReport report;
  const uint64_t most =
      info->bulk_delete
          ? std::clamp<uint64_t>(info->bulk_delete->max_deletes_per_request, 1, kMostInBulk)
          : kMostInBulk;
  for (size_t at = 0; at < in_bulk.size(); at += most) {
    const auto begin = in_bulk.begin() + static_cast<ptrdiff_t>(at);
    const auto end = begin + static_cast<ptrdiff_t>(std::min<size_t>(most, in_bulk.size() - at));
    std::vector<SwiftPath> batch(begin, end);
    Result<void> done = co_await remove_in_bulk(batch, report);
    if (done.ok()) continue;
    if (!is_hopeless(done.error().code())) {
      std::ranges::copy(batch, std::back_inserter(singly));
      continue;
    }
    for (auto left = begin; left != in_bulk.end(); ++left) {
      report.failures.push_back({*left, done.error()});
    }
    for (const SwiftPath& object : singly) report.failures.push_back({object, done.error()});
    co_return report;
  }
  Result<void> rest = co_await remove_one_by_one(std::move(singly), report);
  if (!rest.ok()) co_return rest.error();
  co_return report;
}

}  // namespace swiftness
