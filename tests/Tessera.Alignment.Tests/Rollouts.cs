using Tessera.Alignment.Advantages;
using Tessera.Alignment.Policy;
using Tessera.Alignment.Rewards;
using Tessera.Alignment.Rollouts;
using Tessera.Devices;
using Tessera.Models.Tests;
using Tessera.Training;

namespace Tessera.Alignment.Tests;

/// <summary>Rollouts and settings for tests of trainers.</summary>
internal static class TestRollouts
{
    public const int Vocabulary = 41;

    public static GrpoSettings Settings(int updates = 1, double rate = 1e-3, int steps = 100) => new()
    {
        Optimisation = new TrainingSettings
        {
            Schedule = new LearningRateSchedule(ScheduleShape.Constant, rate, rate, 0, steps * updates),
            BatchTokens = 64,
            WeightDecay = 0,
        },
        Updates = updates,
        Samples = 4,
        MaxNewTokens = 12,
    };

    /// <summary>Groups of four responses of random tokens and lengths, with rewards of which some are equal.</summary>
    public static RolloutBatch Random(int groups, AdvantageEstimator estimator = AdvantageEstimator.GroupStandardised, ulong seed = 1)
    {
        var random = new CounterRandom(seed, 77);
        return new RolloutBatch(1,
        [
            .. Enumerable.Range(0, groups).Select(g =>
            {
                var prompt = new RolloutPrompt($"{g}", "random", SmallModel.Ids(random.Next(2, 6), Vocabulary, (ulong)g + 100));
                JudgedResponse[] responses =
                [
                    .. Enumerable.Range(0, 4).Select(i =>
                    {
                        int[] ids = SmallModel.Ids(random.Next(1, 9), Vocabulary, (ulong)((g * 10) + i));
                        return new JudgedResponse(
                            new SampledResponse(ids, new float[ids.Length], i != 3), "", new Reward(random.Next(2), 1, i != 3, 0));
                    }),
                ];
                return RolloutGroup.Of(prompt, responses, estimator);
            }),
        ]);
    }

    /// <summary>The responses in training form, each token with weight 1.</summary>
    public static PolicyResponse[] ToResponses(RolloutBatch rollout) =>
    [
        .. rollout.Groups.SelectMany(group => group.Responses.Zip(group.Advantages, (judged, advantage) => new PolicyResponse(
            group.Prompt.Ids, judged.Response.Ids, judged.Response.LogProbs, advantage, 1f))),
    ];
}
