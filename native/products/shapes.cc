#include "products/shapes.h"

#include <algorithm>

#include "core/error.h"

namespace halfscope::products {
namespace {

std::string text(const Dims& dims) {
  std::string all = "[";
  for (std::size_t i = 0; i < dims.size(); i++) all += (i == 0 ? "" : ", ") + std::to_string(dims[i]);
  return all + "]";
}

[[noreturn]] void misfit(const std::string& what, const Dims& a, const Dims& b) {
  throw Error(ErrorCode::kEngineRun, "halfscope.Product: " + what + ", found " + text(a) + " and " + text(b));
}

std::size_t size(std::int64_t dim) { return static_cast<std::size_t>(dim); }

/// Attributes are a file's word; larger ones would overflow the arithmetic below.
constexpr std::int64_t kLargest = std::int64_t{1} << 24;
bool sensible(std::int64_t step) { return step >= 1 && step < kLargest; }

/// Value i of an attribute that may be left out.
std::int64_t at(const Dims& list, std::size_t i, std::int64_t otherwise) { return list.empty() ? otherwise : list[i]; }

}  // namespace

MatMulShape matmul_shape(const Dims& left, const Dims& right) {
  if (left.empty() || right.empty()) misfit("MatMul needs at least one dimension on both sides", left, right);
  Dims a = left, b = right;
  if (left.size() == 1) a.insert(a.begin(), 1);
  if (right.size() == 1) b.push_back(1);
  const std::size_t rank = std::max(a.size(), b.size());
  a.insert(a.begin(), rank - a.size(), 1);
  b.insert(b.begin(), rank - b.size(), 1);
  if (a[rank - 1] != b[rank - 2]) misfit("MatMul needs equal inner dimensions", left, right);

  MatMulShape shape;
  shape.rows = size(a[rank - 2]);
  shape.columns = size(b[rank - 1]);
  shape.depth = size(a[rank - 1]);
  std::size_t batch = 1, right_batch = 1;
  for (std::size_t i = 0; i + 2 < rank; i++) {
    if (a[i] != b[i] && a[i] != 1 && b[i] != 1) misfit("MatMul needs batch dimensions that broadcast", left, right);
    shape.out.push_back(a[i] == 1 ? b[i] : a[i]);
    batch *= size(shape.out.back());
    right_batch *= size(b[i]);
  }
  const Dims batch_dims = shape.out;
  if (left.size() > 1) shape.out.push_back(a[rank - 2]);
  if (right.size() > 1) shape.out.push_back(b[rank - 1]);
  if (right_batch == 1) {
    // Then no dimension of the left batch was stretched: its matrices lie one after the other, and so do those of the result.
    shape.rows *= batch;
    shape.left_at = shape.right_at = {0};
    return shape;
  }
  for (std::size_t n = 0; n < batch; n++) {
    std::size_t rest = n, l = 0, r = 0, l_step = 1, r_step = 1;
    for (std::size_t i = batch_dims.size(); i-- > 0;) {
      const std::size_t index = rest % size(batch_dims[i]);
      rest /= size(batch_dims[i]);
      if (a[i] != 1) l += index * l_step;
      if (b[i] != 1) r += index * r_step;
      l_step *= size(a[i]);
      r_step *= size(b[i]);
    }
    shape.left_at.push_back(l * shape.rows * shape.depth);
    shape.right_at.push_back(r * shape.depth * shape.columns);
  }
  return shape;
}

GemmShape gemm_shape(const GemmAttributes& attributes, const Dims& a, const Dims& b, const Dims* bias) {
  if (a.size() != 2 || b.size() != 2) misfit("Gemm needs two matrices", a, b);
  GemmShape shape;
  shape.rows = size(a[attributes.trans_a ? 1 : 0]);
  shape.depth = size(a[attributes.trans_a ? 0 : 1]);
  shape.columns = size(b[attributes.trans_b ? 0 : 1]);
  if (size(b[attributes.trans_b ? 1 : 0]) != shape.depth) misfit("Gemm needs equal inner dimensions", a, b);
  shape.out = {static_cast<std::int64_t>(shape.rows), static_cast<std::int64_t>(shape.columns)};
  if (bias == nullptr) return shape;
  Dims c = *bias;
  c.insert(c.begin(), c.size() < 2 ? 2 - c.size() : 0, 1);
  for (std::size_t i = 0; i < c.size(); i++) {
    if (c.size() != 2 || (c[i] != 1 && c[i] != shape.out[i])) misfit("Gemm needs a C that broadcasts to its result", *bias, shape.out);
  }
  shape.bias_column_step = c[1] == 1 ? 0 : 1;
  shape.bias_row_step = c[0] == 1 ? 0 : size(c[1]);
  return shape;
}

ConvShape conv_shape(const ConvAttributes& attributes, const Dims& image, const Dims& filter) {
  const std::size_t rank = image.size() < 2 ? 0 : image.size() - 2;
  if (rank < 1 || rank > 3 || filter.size() != image.size()) misfit("Conv needs one to three spatial dimensions", image, filter);
  const auto fits = [&](const Dims& list, std::size_t count) { return list.empty() || list.size() == count; };
  if (!fits(attributes.kernel_shape, rank) || !fits(attributes.strides, rank) || !fits(attributes.dilations, rank) ||
      !fits(attributes.pads, 2 * rank)) {
    misfit("Conv needs a kernel_shape, pads, strides and dilations of its spatial rank", image, filter);
  }
  const std::int64_t group = attributes.group;
  if (group < 1 || image[1] != filter[1] * group || filter[0] % group != 0) {
    misfit("Conv of " + std::to_string(group) + " groups needs channels and filters that divide into them", image, filter);
  }
  ConvShape shape;
  shape.images = size(image[0]);
  shape.groups = size(group);
  shape.channels = size(filter[1]);
  shape.filters = size(filter[0] / group);
  shape.out = {image[0], filter[0]};
  const bool same = attributes.auto_pad == "SAME_UPPER" || attributes.auto_pad == "SAME_LOWER";
  const bool valid = attributes.auto_pad == "VALID";
  for (std::size_t i = 0; i < rank; i++) {
    const std::size_t d = i + 3 - rank;
    shape.in[d] = image[i + 2];
    shape.kernel[d] = filter[i + 2];
    shape.stride[d] = at(attributes.strides, i, 1);
    shape.dilation[d] = at(attributes.dilations, i, 1);
    if (at(attributes.kernel_shape, i, filter[i + 2]) != filter[i + 2]) misfit("Conv needs a kernel_shape equal to its filters'", attributes.kernel_shape, filter);
    if (!sensible(shape.stride[d]) || !sensible(shape.dilation[d])) misfit("Conv needs strides and dilations of 1 or more", attributes.strides, attributes.dilations);
    const std::int64_t reach = (shape.kernel[d] - 1) * shape.dilation[d] + 1;
    if (shape.kernel[d] < 1) misfit("Conv needs filters that are not empty", image, filter);
    if (same) {
      shape.space[d] = (shape.in[d] + shape.stride[d] - 1) / shape.stride[d];
      const std::int64_t missing = std::max<std::int64_t>(0, (shape.space[d] - 1) * shape.stride[d] + reach - shape.in[d]);
      shape.pad[d] = attributes.auto_pad == "SAME_LOWER" ? (missing + 1) / 2 : missing / 2;
    } else {
      shape.pad[d] = valid ? 0 : at(attributes.pads, i, 0);
      const std::int64_t behind = valid ? 0 : at(attributes.pads, i + rank, 0);
      if (shape.pad[d] < 0 || behind < 0 || shape.pad[d] >= kLargest || behind >= kLargest) misfit("Conv needs pads of 0 or more", attributes.pads, image);
      const std::int64_t padded = shape.in[d] + shape.pad[d] + behind;
      shape.space[d] = padded < reach ? 0 : (padded - reach) / shape.stride[d] + 1;
    }
    shape.out.push_back(shape.space[d]);
  }
  return shape;
}

}  // namespace halfscope::products
