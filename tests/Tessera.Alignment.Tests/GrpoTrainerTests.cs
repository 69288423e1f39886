using Tessera.Alignment.Advantages;
using Tessera.Alignment.Policy;
using Tessera.Alignment.Rewards;
using Tessera.Alignment.Rollouts;
using Tessera.Devices;
using Tessera.Inference;
using Tessera.Kernels;
using Tessera.Models;
using Tessera.Models.Tests;
using Tessera.TestSupport;
using Tessera.Training;

namespace Tessera.Alignment.Tests;

public sealed unsafe class GrpoTrainerTests : IDisposable
{
    private readonly CpuDevice _device = new(2);

    [Theory]
    [InlineData(20)]
    [InlineData(1000)]
    public void The_first_update_has_a_ratio_of_exactly_one_a_loss_of_zero_and_a_gradient(int batchTokens)
    {
        using var model = SmallModel.Create(SmallModel.Configuration(vocabulary: TestRollouts.Vocabulary));
        var settings = TestRollouts.Settings() with { Aggregation = LossAggregation.Sequence };
        settings = settings with { Optimisation = settings.Optimisation with { BatchTokens = batchTokens } };
        using var trainer = new GrpoTrainer(_device, model, settings);
        var rollout = TestRollouts.Random(6);
        var report = trainer.Learn(rollout);
        Assert.Equal(rollout.Responses.Sum(judged => judged.Response.Ids.Length), report.Sums.Tokens);
        Assert.Equal(report.Sums.Tokens, report.Sums.Ratio);
        Assert.Equal((0L, 0L, 0L), (report.Sums.ClippedLow, report.Sums.ClippedHigh, report.Sums.ClippedDual));
        Assert.Equal(0, report.Loss, 1e-6);
        Assert.True(report.GradientNorm > 0.01, $"norm {report.GradientNorm}");
        Assert.Equal(1, trainer.Optimizer.Steps);
    }

    [Fact]
    public void Later_updates_of_a_rollout_leave_the_ratio_of_one()
    {
        using var model = SmallModel.Create(SmallModel.Configuration(vocabulary: TestRollouts.Vocabulary));
        using var trainer = new GrpoTrainer(_device, model, TestRollouts.Settings(updates: 3, rate: 5e-3));
        var report = trainer.Learn(TestRollouts.Random(6));
        Assert.Equal(3, trainer.Optimizer.Steps);
        Assert.NotEqual(report.Sums.Tokens, report.Sums.Ratio);
        Assert.Equal(1, report.Sums.Mean(report.Sums.Ratio), 0.2);
    }

    [Theory]
    [InlineData(LossAggregation.Token)]
    [InlineData(LossAggregation.Sequence)]
    [InlineData(LossAggregation.Constant)]
    public void Gradients_do_not_depend_on_the_micro_batches_and_packed_equals_alone(LossAggregation aggregation)
    {
        using var model = SmallModel.Create(SmallModel.Configuration(vocabulary: TestRollouts.Vocabulary));
        using var reference = SmallModel.Create(SmallModel.Configuration(vocabulary: TestRollouts.Vocabulary), 5);
        var responses = TestRollouts.ToResponses(TestRollouts.Random(4));
        int[] lengths = [.. responses.Select(response => response.Response.Length)];
        var weights = AggregationWeights.Of(aggregation, lengths, 12);
        responses = [.. responses.Select((response, i) => response with { Weight = weights.TokenWeights[i] })];
        using var objective = new PolicyObjective(_device);
        using var optimizer = new Optimizer(_device, model.Parameters);
        var settings = new PolicySettings { KlWeight = 0.1f };
        var expected = Gradients(1000);
        foreach (int budget in (int[])[1, 17, 40])
        {
            var (sums, gradients) = Gradients(budget);
            Assert.Equal(expected.Sums.Loss, sums.Loss, 1e-5);
            Assert.Equal(expected.Sums.Entropy, sums.Entropy, 1e-3);
            foreach (var (left, right) in expected.Gradients.Zip(gradients))
            {
                Errors.AssertClose(right, [.. left.Select(value => (double)value)], 2e-5, $"gradient with batches of {budget}");
            }
        }

        (PolicySums Sums, float[][] Gradients) Gradients(int budget)
        {
            optimizer.ClearGradients();
            var sums = default(PolicySums);
            foreach (var batch in PolicyBatch.Pack(responses, budget))
            {
                objective.LogProbs(model, batch, batch.OldLogProbs);
                batch.ReferenceLogProbs = new float[batch.Ids.Length];
                objective.LogProbs(reference, batch, batch.ReferenceLogProbs);
                sums += objective.Accumulate(model, batch, settings, weights.Normaliser);
            }

            return (sums, [.. model.Parameters.Select(p => new Span<float>(p.Gradient.Floats, (int)p.Count).ToArray())]);
        }
    }

    [Fact]
    public void The_gradient_of_the_whole_model_is_the_slope_of_the_loss()
    {
        using var model = SmallModel.Create(SmallModel.Configuration(vocabulary: TestRollouts.Vocabulary));
        using var objective = new PolicyObjective(_device);
        using var optimizer = new Optimizer(_device, model.Parameters);
        var batch = PolicyBatch.Pack(TestRollouts.ToResponses(TestRollouts.Random(3)), 1000)[0];
        objective.LogProbs(model, batch, batch.OldLogProbs);

        // Wide clips: the loss is smooth along the whole line.
        var settings = new PolicySettings { ClipLow = 1f, ClipHigh = 1e9f };
        objective.Accumulate(model, batch, settings, 1);
        double slope = 0;
        var directions = model.Parameters.Select((parameter, index) =>
        {
            var random = new CounterRandom(9, (ulong)index);
            float[] direction = [.. Enumerable.Range(0, (int)parameter.Count).Select(_ => random.NextGaussian())];
            for (int i = 0; i < direction.Length; i++)
            {
                slope += (double)direction[i] * parameter.Gradient.Floats[i];
            }

            return direction;
        }).ToArray();
        const double Step = 2e-4;
        double numerical = ((8 * (At(Step) - At(-Step))) - (At(2 * Step) - At(-2 * Step))) / (12 * Step);
        Assert.Equal(slope, numerical, 2e-3 * Math.Abs(slope));

        double At(double step)
        {
            Move(step);
            double loss = objective.Accumulate(model, batch, settings, 1).Loss;
            Move(-step);
            return loss;
        }

        void Move(double step)
        {
            foreach (var (parameter, direction) in model.Parameters.Zip(directions))
            {
                for (int i = 0; i < direction.Length; i++)
                {
                    parameter.Floats[i] += (float)(step * direction[i]);
                }
            }
        }
    }

    [Fact]
    public void Cut_off_responses_are_left_out_of_the_loss_on_request_and_stay_in_the_gap()
    {
        using var model = SmallModel.Create(SmallModel.Configuration(vocabulary: TestRollouts.Vocabulary));
        var rollout = TestRollouts.Random(5);
        using var trainer = new GrpoTrainer(_device, model, TestRollouts.Settings() with { MasksTruncated = true });
        var report = trainer.Learn(rollout);
        Assert.Equal(
            rollout.Responses.Where(judged => judged.Response.IsFinished).Sum(judged => judged.Response.Ids.Length), report.Sums.Tokens);
        Assert.Equal(rollout.Responses.Sum(judged => judged.Response.Ids.Length), report.Gap.Tokens);
    }

    [Fact]
    public void A_reference_with_the_same_weights_costs_nothing_at_first_and_holds_later()
    {
        using var model = SmallModel.Create(SmallModel.Configuration(vocabulary: TestRollouts.Vocabulary));
        using var free = SmallModel.Create(SmallModel.Configuration(vocabulary: TestRollouts.Vocabulary));
        using var reference = SmallModel.Create(SmallModel.Configuration(vocabulary: TestRollouts.Vocabulary));
        byte[][] before = SmallModel.AllBytes(reference);
        var settings = TestRollouts.Settings(rate: 3e-3);
        var watching = settings with { Policy = new PolicySettings { KlWeight = 1e-9f } };
        using var held = new GrpoTrainer(_device, model, settings with { Policy = new PolicySettings { KlWeight = 2f } }, reference);
        using var loose = new GrpoTrainer(_device, free, watching, reference);
        Assert.Equal(0, held.Learn(TestRollouts.Random(5)).Sums.Kl);
        Assert.Equal(0, loose.Learn(TestRollouts.Random(5)).Sums.Kl);
        double heldKl = 0, looseKl = 0;
        for (int step = 0; step < 15; step++)
        {
            heldKl = held.Learn(TestRollouts.Random(5)).Sums.Kl;
            looseKl = loose.Learn(TestRollouts.Random(5)).Sums.Kl;
        }

        Assert.True(looseKl > 0 && heldKl < looseKl / 2, $"held {heldKl:G3}, loose {looseKl:G3}");
        Assert.Equal(before, SmallModel.AllBytes(reference));
    }

    [Fact]
    public void An_update_whose_gradient_is_not_finite_changes_nothing_and_says_so()
    {
        using var model = SmallModel.Create(SmallModel.Configuration(vocabulary: TestRollouts.Vocabulary));
        using var trainer = new GrpoTrainer(_device, model, TestRollouts.Settings());
        model.FinalNorm.Floats[2] = float.NaN;
        byte[][] before = SmallModel.AllBytes(model);
        Assert.True(double.IsNaN(trainer.Learn(TestRollouts.Random(3)).GradientNorm));
        Assert.Equal(before, SmallModel.AllBytes(model));
        Assert.Equal(0, trainer.Optimizer.Steps);
    }

    [Fact]
    public void The_engine_draws_from_the_weights_that_the_trainer_has_just_written()
    {
        // A wide model, so that kernels that keep other forms of weights are used.
        using var model = SmallModel.Create(SmallModel.Configuration(vocabulary: 301, hidden: 64), scale: 0.1f);
        using var generator = new Generator(_device, model, new EngineSettings { MaxRunning = 8 });
        var sampler = new EngineSampler(generator, [2], 12);
        using var trainer = new GrpoTrainer(_device, model, TestRollouts.Settings(updates: 2, rate: 2e-2));
        var requests = Enumerable.Range(0, 16).Select(i => new SampleRequest([1, 3 + (i / 4)], (ulong)i)).ToArray();
        float[][]? first = null;
        for (int step = 1; step <= 4; step++)
        {
            var responses = sampler.Sample(requests);
            var rollout = new RolloutBatch(step,
            [
                .. responses.Chunk(4).Select((group, g) => RolloutGroup.Of(
                    new RolloutPrompt($"{g}", "x", requests[4 * g].Prompt),
                    [.. group.Select(response => new JudgedResponse(response, "", new Reward(response.Ids[0] % 2, 1, true, 0)))],
                    AdvantageEstimator.GroupStandardised)),
            ]);
            var gap = trainer.Learn(rollout).Gap;
            Assert.True(gap.Largest < 1e-4 && gap.MeanFactor < 1.00001, $"step {step}: gap {gap}");
            first ??= [.. responses.Select(response => response.LogProbs)];
        }

        // The policy has moved, so the same seeds give other probabilities.
        Assert.NotEqual(first!, sampler.Sample(requests).Select(response => response.LogProbs));
    }

    [Fact]
    public void A_policy_learns_what_it_is_rewarded_for()
    {
        using var model = Decoder.Allocate(SmallModel.Configuration(vocabulary: 12, hidden: 32), DType.F32);
        ModelInitializer.Fill(model, 3);
        using var generator = new Generator(_device, model, new EngineSettings { MaxRunning = 32 });
        var sampler = new EngineSampler(generator, [2], 6);
        using var trainer = new GrpoTrainer(_device, model, TestRollouts.Settings(updates: 2, rate: 5e-3) with { MaxNewTokens = 6 });
        double reward = 0;
        for (int step = 1; step <= 60 && reward < 0.95; step++)
        {
            SampleRequest[] requests = [.. Enumerable.Range(0, 64).Select(i => new SampleRequest(
                [1, 3 + (i / 16)], RolloutCollector.SampleSeed(1, step, i / 16, i % 16)))];
            var responses = sampler.Sample(requests);

            // Right is to repeat the prompt's last token and stop.
            var groups = responses.Chunk(16).Select((group, g) => RolloutGroup.Of(
                new RolloutPrompt($"{g}", "x", requests[16 * g].Prompt),
                [
                    .. group.Select(response => new JudgedResponse(response, "", new Reward(
                        response.Ids[0] == 3 + g ? (response.Ids.Length == 2 ? 1 : 0.5) : 0, 1, response.IsFinished, 0))),
                ],
                AdvantageEstimator.GroupStandardised)).ToArray();
            reward = groups.SelectMany(group => group.Responses).Average(judged => judged.Reward.Total);
            trainer.Learn(new RolloutBatch(step, groups));
        }

        Assert.True(reward >= 0.95, $"the mean reward is {reward:F3} after 60 steps");
    }

    [Fact]
    public void Settings_and_models_that_do_not_fit_are_refused()
    {
        using var model = SmallModel.Create(SmallModel.Configuration());
        using var other = SmallModel.Create(SmallModel.Configuration(vocabulary: 50));
        using var narrow = SmallModel.Create(SmallModel.Configuration(), type: DType.BF16);
        var settings = TestRollouts.Settings() with { Policy = new PolicySettings { KlWeight = 0.1f } };
        AssertRefused("no reference", () => Open(model, settings));
        AssertRefused("share parameter", () => Open(model, settings, model));
        AssertRefused("vocabularies", () => Open(model, settings, other));
        AssertRefused("f32", () => Open(narrow, TestRollouts.Settings()));
        AssertRefused("at least 2", () => (TestRollouts.Settings() with { Samples = 1 }).Validate(4));
        AssertRefused("1 to the 4 prompts", () => (TestRollouts.Settings() with { Updates = 5 }).Validate(4));
        AssertRefused("drawn at 1", () => (TestRollouts.Settings() with { Policy = new PolicySettings { Temperature = 0.5f } }).Validate(4));
        Assert.All(model.Parameters, parameter => Assert.False(parameter.IsTrainable));

        void Open(Decoder policy, GrpoSettings with, Decoder? reference = null)
        {
            using var trainer = new GrpoTrainer(_device, policy, with, reference);
        }

        static void AssertRefused(string text, Action action) =>
            Assert.Contains(text, Assert.Throws<ArgumentException>(action).Message, StringComparison.Ordinal);
    }

    public void Dispose() => _device.Dispose();
}
