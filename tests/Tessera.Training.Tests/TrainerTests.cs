using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Tests;
using Tessera.Training.Data;
using Tessera.Training.Objectives;

namespace Tessera.Training.Tests;

public sealed unsafe class TrainerTests : IDisposable
{
    private const int Vocabulary = 41;
    private readonly CpuDevice _device = new(1);

    public static TrainingSettings Settings(int steps, double rate = 2e-3) => new()
    {
        Schedule = new LearningRateSchedule(ScheduleShape.Constant, rate, rate, 0, steps),
        BatchTokens = 24,
        MaxLength = 16,
    };

    [Fact]
    public void Several_micro_batches_give_the_gradient_of_one_large_batch()
    {
        using var model = SmallModel.Create(SmallModel.Configuration());
        using var objective = new Objective(_device, model, ObjectiveWeights.LanguageModelling);
        using var optimizer = new Optimizer(_device, model.Parameters);
        TokenDocument[] documents =
        [
            TokenDocument.Uniform(SmallModel.Ids(9, Vocabulary, 1)), new(SmallModel.Ids(6, Vocabulary, 2), [0, 0, 0, 3, 0.5f, 1]),
            TokenDocument.Uniform(SmallModel.Ids(3, Vocabulary, 3)),
        ];
        var whole = BatchPacker.Pack(documents, 100, 18);
        var expectedLoss = objective.Accumulate(whole, whole.WeightSum);
        float[][] expected = Gradients(model);
        optimizer.ClearGradients();
        var loss = default(LossValues);
        foreach (var document in documents)
        {
            loss += objective.Accumulate(BatchPacker.Pack([document], 100, document.Ids.Length), whole.WeightSum);
        }

        Assert.Equal(expectedLoss.CrossEntropy, loss.CrossEntropy, 1e-6);
        Assert.Equal(expectedLoss.Weight, loss.Weight);
        foreach (var (left, right) in expected.Zip(Gradients(model)))
        {
            TestSupport.Errors.AssertClose(right, [.. left.Select(value => (double)value)], 1e-5, "gradient");
        }
    }

    [Fact]
    public void A_trainer_that_accumulates_takes_the_step_of_one_with_large_batches()
    {
        using var large = SmallModel.Create(SmallModel.Configuration());
        using var small = SmallModel.Create(SmallModel.Configuration());
        int[] lengths = [8, 8, 8, 8];
        using var first = new Trainer(
            _device, large, Settings(1) with { BatchTokens = 32 }, ObjectiveWeights.LanguageModelling, ListSource.OfLengths(Vocabulary, lengths));
        using var second = new Trainer(
            _device, small, Settings(1) with { BatchTokens = 8, Accumulation = 4 }, ObjectiveWeights.LanguageModelling,
            ListSource.OfLengths(Vocabulary, lengths));
        var (one, four) = (first.Step(), second.Step());
        Assert.Equal(one.Loss.CrossEntropy, four.Loss.CrossEntropy, 1e-6);
        Assert.Equal(one.GradientNorm, four.GradientNorm, one.GradientNorm * 1e-5);
        Assert.Equal((1, 32), (four.Step, four.Tokens));
        Assert.Equal((4L, 4L), (first.NextDocument, second.NextDocument));
    }

    [Theory]
    [InlineData(1e9)]
    [InlineData(0.0)]
    [InlineData(0.05)]
    public void Five_updates_are_those_of_adamw_in_double_with_clipping(double clip)
    {
        using var model = SmallModel.Create(SmallModel.Configuration());
        using var optimizer = new Optimizer(_device, model.Parameters);
        var settings = Settings(5) with { ClipNorm = clip };
        var state = model.Parameters.Select(p => new ScalarAdamW(p, settings)).ToList();
        for (int step = 1; step <= 5; step++)
        {
            double squares = 0;
            foreach (var (parameter, index) in model.Parameters.Select((p, i) => (p, i)))
            {
                var random = new CounterRandom((ulong)step, (ulong)index);
                for (int i = 0; i < parameter.Count; i++)
                {
                    parameter.Gradient.Floats[i] = random.NextGaussian() * 0.03f;
                    squares += (double)parameter.Gradient.Floats[i] * parameter.Gradient.Floats[i];
                }
            }

            double norm = Math.Sqrt(squares);
            double rate = 1e-2 / step;
            state.ForEach(s => s.Step(step, rate, clip > 0 && norm > clip ? clip / norm : 1));
            long version = model.Head.Version;
            Assert.Equal(norm, optimizer.Update(settings, rate), norm * 1e-6);
            Assert.Equal((step, version + 1), (optimizer.Steps, model.Head.Version));
            state.ForEach(s => s.AssertEqual());
        }
    }

    [Fact]
    public void The_loss_of_a_fresh_model_is_the_logarithm_of_its_vocabulary()
    {
        using var model = Decoder.Allocate(SmallModel.Configuration(vocabulary: 500, hidden: 32), DType.F32);
        ModelInitializer.Fill(model, 3);
        using var objective = new Objective(_device, model, ObjectiveWeights.LanguageModelling);
        var batch = BatchPacker.Pack([TokenDocument.Uniform(SmallModel.Ids(64, 500))], 64, 64);
        Assert.Equal(Math.Log(500), objective.Evaluate(batch).CrossEntropy, Math.Log(500) * 0.01);
    }

    [Fact]
    public void Eight_short_documents_are_learned_by_heart()
    {
        using var model = Decoder.Allocate(SmallModel.Configuration(hidden: 32), DType.F32);
        ModelInitializer.Fill(model, 3);

        // Every document begins with its own token, so nothing has to be guessed.
        var documents = Enumerable.Range(0, 8)
            .Select(d => TokenDocument.Uniform([d, .. SmallModel.Ids(7, Vocabulary, (ulong)(50 + d))])).ToArray();
        var settings = Settings(300, 8e-3) with { BatchTokens = 64, WeightDecay = 0 };
        using var trainer = new Trainer(_device, model, settings, ObjectiveWeights.LanguageModelling, new ListSource(documents));
        double loss = double.NaN;
        while (trainer.Steps < trainer.TotalSteps)
        {
            loss = trainer.Step().Loss.CrossEntropy;
        }

        Assert.True(loss < 0.05, $"loss is still {loss:F4}");
    }

    [Fact]
    public void A_diverged_step_stops_with_its_cause_and_updates_nothing()
    {
        using var model = SmallModel.Create(SmallModel.Configuration());
        using var trainer = new Trainer(
            _device, model, Settings(5), ObjectiveWeights.LanguageModelling, ListSource.OfLengths(Vocabulary, 9));
        trainer.Step();
        model.FinalNorm.Floats[2] = float.NaN;
        byte[][] before = SmallModel.AllBytes(model);
        var error = Assert.Throws<InvalidDataException>(() => trainer.Step());
        Assert.Contains("gradient", error.Message, StringComparison.Ordinal);
        Assert.Contains("step 2", error.Message, StringComparison.Ordinal);
        Assert.Equal(before, SmallModel.AllBytes(model));
        Assert.Equal(1, trainer.Steps);
    }

    [Fact]
    public void A_batch_without_weight_has_no_loss_and_no_gradient()
    {
        using var model = SmallModel.Create(SmallModel.Configuration());
        using var teacher = SmallModel.Create(SmallModel.Configuration(), seed: 9);
        using var trainer = new Trainer(
            _device, model, Settings(5) with { WeightDecay = 0 }, new ObjectiveWeights(1, 1, 1),
            new ListSource(new TokenDocument([1, 2, 3], [1, 0, 0])), teacher);
        byte[][] before = SmallModel.AllBytes(model);
        var report = trainer.Step();
        Assert.Equal((0.0, 0.0), (report.GradientNorm, report.Loss.Total(trainer.Weights)));
        Assert.Equal(before, SmallModel.AllBytes(model));
    }

    [Fact]
    public void Steps_have_the_same_bits_for_one_two_and_three_threads()
    {
        var results = new List<byte[][]>();
        foreach (int threads in (ReadOnlySpan<int>)[1, 2, 3])
        {
            using var device = new CpuDevice(threads);
            using var model = SmallModel.Create(SmallModel.Configuration(hidden: 64, vocabulary: 301), scale: 0.1f);
            using var teacher = SmallModel.Create(SmallModel.Configuration(hidden: 64, vocabulary: 301), 5, scale: 0.1f);
            using var trainer = new Trainer(
                device, model, Settings(2) with { BatchTokens = 160, MaxLength = 90 }, new ObjectiveWeights(1, 1, 1),
                ListSource.OfLengths(301, 90, 70, 33), teacher);
            trainer.Step();
            trainer.Step();
            results.Add(SmallModel.AllBytes(model));
        }

        Assert.Equal(results[0], results[1]);
        Assert.Equal(results[0], results[2]);
    }

    [Fact]
    public void A_trainer_freezes_its_model_again_and_gives_all_memory_back()
    {
        int arenas = Arena.LiveArenas;
        using (var model = SmallModel.Create(SmallModel.Configuration()))
        {
            using (var trainer = new Trainer(
                _device, model, Settings(2), ObjectiveWeights.LanguageModelling, ListSource.OfLengths(Vocabulary, 9)))
            {
                trainer.Step();
                Assert.All(model.Parameters, parameter => Assert.True(parameter.IsTrainable));
            }

            Assert.All(model.Parameters, parameter => Assert.False(parameter.IsTrainable));
            Assert.Throws<ArgumentException>(() => new Trainer(
                _device, model, Settings(2) with { BatchTokens = 1 }, ObjectiveWeights.LanguageModelling, ListSource.OfLengths(Vocabulary, 9)));
        }

        Assert.Equal(arenas, Arena.LiveArenas);
    }

    public void Dispose() => _device.Dispose();

    private static float[][] Gradients(Decoder model) =>
        [.. model.Parameters.Select(p => new Span<float>(p.Gradient.Floats, (int)p.Count).ToArray())];

    /// <summary>Loshchilov and Hutter's update of one parameter, element by element in double.</summary>
    private sealed class ScalarAdamW(Tensors.Parameter parameter, TrainingSettings settings)
    {
        private readonly double[] _values = new Span<float>(parameter.Floats, (int)parameter.Count).ToArray().Select(v => (double)v).ToArray();
        private readonly double[] _first = new double[parameter.Count];
        private readonly double[] _second = new double[parameter.Count];

        public void Step(int step, double rate, double scale)
        {
            // Gains, vectors of one row, do not decay.
            double decay = parameter.Rows > 1 ? settings.WeightDecay : 0;
            for (int i = 0; i < _values.Length; i++)
            {
                double g = scale * parameter.Gradient.Floats[i];
                _first[i] = (settings.Beta1 * _first[i]) + ((1 - settings.Beta1) * g);
                _second[i] = (settings.Beta2 * _second[i]) + ((1 - settings.Beta2) * g * g);
                double mean = _first[i] / (1 - Math.Pow(settings.Beta1, step));
                double spread = Math.Sqrt(_second[i] / (1 - Math.Pow(settings.Beta2, step)));
                _values[i] -= rate * ((mean / (spread + settings.Epsilon)) + (decay * _values[i]));
            }
        }

        public void AssertEqual() => TestSupport.Errors.AssertClose(
            new ReadOnlySpan<float>(parameter.Floats, _values.Length), _values, 1e-6, parameter.Name);
    }
}
