import {
  type Feed,
  needsRange,
  type OptimizationProfile,
  type ProfileInput,
  profileFromFeeds,
  profileText,
  type SettledProfiles,
  settleProfiles,
} from "@halfscope/engine";

/**
 * The profiles to measure with: those given, completed from the calls that will be made, or else one that serves all of these calls. Its kernels are chosen for the
 * largest: there they cost most. Throws ERR_PROFILE as `settleProfiles` does.
 */
export function benchProfiles(
  given: readonly OptimizationProfile[],
  inputs: readonly ProfileInput[],
  calls: readonly Pick<Feed, "tensors">[],
): SettledProfiles {
  if (given.length > 0 || !inputs.some(needsRange)) return settleProfiles(given, inputs, calls);
  const around = profileFromFeeds(inputs, calls);
  const profile = {
    inputs: Object.fromEntries(
      Object.entries(around.inputs).map(([name, { min, opt, max }]) => {
        const values = inputs.find((i) => i.name === name)?.isShapeTensor === true;
        return [name, { min, opt: values ? opt : max, max }];
      }),
    ),
  };
  const { profiles, warnings } = settleProfiles([profile], inputs, calls);
  const note = `No optimisation profile was given: one serves every call of the measurement, with kernels chosen for the largest (${profileText(profile)}).`;
  return { profiles, warnings, notes: [note] };
}
