#include "products/chip_models.h"

#include <array>
#include <climits>

namespace halfscope::products {

const ChipModel& chip_model(std::size_t index) {
  constexpr auto kEven = FinalRounding::kNearestEven;
  constexpr auto kZero = FinalRounding::kTowardZero;
  static constexpr std::array<ChipModel, kChips> kModels{{
      {"volta", 4, 23, kEven, kZero, INT_MIN / 2},
      {"ampere", 8, 24, kEven, kZero, INT_MIN / 2},
      {"hopper", 16, 25, kEven, kZero, INT_MIN / 2},
      {"blackwell", 16, 25, kEven, kZero, -15},
  }};
  return kModels.at(index);
}

}  // namespace halfscope::products
