#include "backend/volume/chunk_reader.h"

#include "backend/base/gate.h"

namespace swiftness {

Async<void> ChunkReader::read(std::vector<Piece>& pieces) const {
  std::vector<Fetch> fetches;
  for (size_t i = 0; i < pieces.size(); ++i) {
    const Location& at = pieces[i].at;
    const uint32_t end = uint32_t{at.frame_offset} + at.frame_length;
    if (i > 0 && pieces[i - 1].at.chunk == at.chunk) {
      Fetch& last = fetches.back();
      const bool same_frame = pieces[i - 1].at.frame_offset == at.frame_offset;
      if (same_frame || at.frame_offset == last.end_unit) {
        last.last = i + 1;
        last.end_unit = end;
        continue;
      }
    }
    fetches.push_back(Fetch{i, i + 1, at.frame_offset, end});
  }
  if (fetches.empty()) co_return Result<void>();
  if (fetches.size() == 1) co_return co_await fetch(pieces, fetches.front());

  Executor executor = co_await asio::this_coro::executor;
  std::vector<Result<void>> outcomes(fetches.size());
  FanOut all(executor);
  for (size_t i = 0; i < fetches.size(); ++i) {
    all.add(fetch_into(pieces, fetches[i], outcomes[i]));
  }
  co_await all.join();
  for (const Result<void>& outcome : outcomes) {
    if (!outcome) co_return outcome;
  }
  co_return Result<void>();
}

Task ChunkReader::fetch_into(std::vector<Piece>& pieces, Fetch what, Result<void>& outcome) const {
  outcome = co_await fetch(pieces, what);
}

Async<void> ChunkReader::fetch(std::vector<Piece>& pieces, Fetch what) const {
  const Sequence chunk = pieces[what.first].at.chunk;
  const ObjectName name = objects_.names.chunk(eras_.era_of(chunk), chunk);
  ByteRange range{what.begin_unit * kSectorBytes, (what.end_unit - what.begin_unit) * kSectorBytes};
  GetOptions options;
  Result<Buffer> bytes = co_await objects_.store.get(name, range, options);
  if (!bytes && bytes.error().code() == ErrorCode::not_found) {
    // The map has it, so it was there. Only certain absence is damage; doubt is the store's
    // trouble.
    Presence found = co_await presence_of(objects_.store, name);
    if (found == Presence::no) co_return Error(ErrorCode::corrupt, to_string(name) + " is missing");
    co_return in_doubt(name);
  }
  if (!bytes) co_return bytes.error();

  Buffer frame;
  uint32_t frame_offset = UINT32_MAX;
  for (size_t i = what.first; i < what.last; ++i) {
    Piece& piece = pieces[i];
    if (piece.at.frame_offset != frame_offset) {
      Buffer stored = bytes->slice((piece.at.frame_offset - what.begin_unit) * kSectorBytes,
                                   piece.at.frame_length * kSectorBytes);
      Result<Buffer> opened = open_frame(chunk, piece.at.frame_offset, std::move(stored));
      if (!opened) co_return opened.error().within(to_string(name));
      frame = std::move(*opened);
      frame_offset = piece.at.frame_offset;
    }
    const size_t skip = piece.at.skip * kSectorBytes;
    const size_t length = piece.sectors * kSectorBytes;
    if (skip + length > frame.size()) {
      co_return Error(ErrorCode::corrupt,
                      to_string(name) + " has a frame shorter than the map says");
    }
    piece.data = frame.slice(skip, length);
  }
  co_return Result<void>();
}

}  // namespace swiftness
