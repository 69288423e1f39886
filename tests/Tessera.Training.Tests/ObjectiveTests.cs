using System.Collections.Immutable;
using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Blocks;
using Tessera.Models.Configuration;
using Tessera.Models.Tests;
using Tessera.Tensors;
using Tessera.Training.Data;
using Tessera.Training.Objectives;

namespace Tessera.Training.Tests;

public sealed unsafe class ObjectiveTests : IDisposable
{
    private const int Vocabulary = 41;
    private static readonly int[] Map = [0, 1, -1, 3, 6, 5, 2];
    private readonly CpuDevice _device = new(1);

    [Theory]
    [InlineData(false, 1, 0, 0)]
    [InlineData(true, 1, 0, 0)]
    [InlineData(false, 0, 1, 0)]
    [InlineData(false, 0, 0, 1)]
    [InlineData(true, 0.7, 1.3, 0.9)]
    [InlineData(false, 0.7, 1.3, 0.9)]
    public void Gradients_of_a_model_of_every_kind_of_block_are_the_slopes_of_its_loss(
        bool tied, double crossEntropy, double divergence, double cosine)
    {
        var weights = new ObjectiveWeights(crossEntropy, divergence, cosine, 1.5f);
        using var student = SmallModel.Create(SmallModel.Configuration(tied: tied));
        using var teacher = SmallModel.Create(SmallModel.Configuration(), seed: 77);
        using var objective = new Objective(_device, student, weights, teacher, Map);
        using var optimizer = new Optimizer(_device, student.Parameters);
        var batch = WeightedBatch();
        objective.Accumulate(batch, batch.WeightSum);
        foreach (var parameter in student.Parameters)
        {
            AssertSlopes(parameter, () => objective.Evaluate(batch).Total(weights));
        }

        AssertDirections(student, () => objective.Evaluate(batch).Total(weights));
    }

    [Fact]
    public void Losses_are_the_formulas_on_logits_and_hidden_states_in_double()
    {
        var weights = new ObjectiveWeights(1, 1, 1, 2f);
        using var student = SmallModel.Create(SmallModel.Configuration());
        using var teacher = SmallModel.Create(SmallModel.Configuration(), seed: 77);
        using var objective = new Objective(_device, student, weights, teacher, Map);
        var batch = WeightedBatch();
        var loss = objective.Evaluate(batch);
        float[] studentLogits = SmallModel.Logits(_device, student, batch.Ids, batch.Lengths);
        float[] teacherLogits = SmallModel.Logits(_device, teacher, batch.Ids, batch.Lengths);
        double[] plain = SmallModel.LogProbabilities(studentLogits, Vocabulary);
        double[] cool = SmallModel.LogProbabilities([.. studentLogits.Select(z => z / 2)], Vocabulary);
        double[] guide = SmallModel.LogProbabilities([.. teacherLogits.Select(z => z / 2)], Vocabulary);
        Assert.Equal(Mean(batch, t => -plain[(t * Vocabulary) + batch.Targets[t]]), loss.CrossEntropy, 1e-5);
        double Kl(int t) => 4 * Enumerable.Range(t * Vocabulary, Vocabulary).Sum(i => Math.Exp(guide[i]) * (guide[i] - cool[i]));
        Assert.Equal(Mean(batch, Kl), loss.Divergence, 1e-5);
        var (own, others) = (States(student, batch), States(teacher, batch));
        double cosine = Enumerable.Range(0, Map.Length).Where(layer => Map[layer] >= 0)
            .Average(layer => Mean(batch, t => 1 - Cosine(own[layer + 1], others[Map[layer] + 1], t)));
        Assert.Equal(cosine, loss.Cosine, 1e-5);
        Assert.Equal(batch.WeightSum, loss.Weight);
    }

    [Fact]
    public void A_child_of_fewer_layers_is_compared_along_its_map_and_its_teacher_is_not_touched()
    {
        ImmutableArray<LayerConfiguration> layers = [SmallModel.EveryKind[0], SmallModel.EveryKind[3]];
        using var student = SmallModel.Create(SmallModel.Configuration(layers));
        using var teacher = SmallModel.Create(SmallModel.Configuration(), seed: 77);
        byte[][] before = SmallModel.AllBytes(teacher);
        var settings = TrainerTests.Settings(5);
        using (var trainer = new Trainer(
            _device, student, settings, ObjectiveWeights.Distillation, ListSource.OfLengths(Vocabulary, 9, 14, 5), teacher, [2, 6]))
        {
            double first = trainer.Step().Loss.Total(ObjectiveWeights.Distillation);
            double last = first;
            for (int i = 1; i < 5; i++)
            {
                last = trainer.Step().Loss.Total(ObjectiveWeights.Distillation);
            }

            Assert.True(last < first, $"{first} did not fall: {last}");
        }

        Assert.Equal(before, SmallModel.AllBytes(teacher));
        Assert.All(teacher.Parameters, parameter => Assert.False(parameter.IsTrainable));
    }

    [Fact]
    public void A_student_equal_to_its_teacher_has_no_distance_and_no_gradient()
    {
        using var student = SmallModel.Create(SmallModel.Configuration());
        using var teacher = SmallModel.Create(SmallModel.Configuration());
        using var objective = new Objective(_device, student, ObjectiveWeights.Distillation, teacher);
        using var optimizer = new Optimizer(_device, student.Parameters);
        var batch = WeightedBatch();
        var loss = objective.Accumulate(batch, batch.WeightSum);
        Assert.Equal(0, loss.Divergence);
        Assert.Equal(0, loss.Cosine, 1e-7);
        Assert.All(student.Parameters, p => Assert.True(new Span<float>(p.Gradient.Floats, (int)p.Count).ToArray().Max(Math.Abs) < 1e-5f));
    }

    [Fact]
    public void Missing_teachers_and_maps_and_shapes_that_do_not_fit_are_refused()
    {
        using var student = SmallModel.Create(SmallModel.Configuration());
        using var vocabulary = SmallModel.Create(SmallModel.Configuration(vocabulary: 40));
        using var wide = SmallModel.Create(SmallModel.Configuration(hidden: 32));
        AssertRefused(student, null, null, "teacher");
        AssertRefused(student, vocabulary, null, "40");
        AssertRefused(student, wide, null, "hidden sizes");
        AssertRefused(student, student, null, "share parameter");
        using var teacher = SmallModel.Create(SmallModel.Configuration());
        AssertRefused(student, teacher, [0, 1], "layer map");
        AssertRefused(student, teacher, [0, 1, 2, 3, 4, 5, 7], "layer map");
        using var narrow = SmallModel.Create(SmallModel.Configuration(), type: DType.BF16);
        AssertRefused(narrow, teacher, null, "bf16");
    }

    [Fact]
    public void A_teacher_of_another_width_and_bf16_serves_the_divergence_alone()
    {
        using var student = SmallModel.Create(SmallModel.Configuration());
        using var teacher = SmallModel.Create(SmallModel.Configuration(hidden: 32), type: DType.BF16);
        using var objective = new Objective(_device, student, new ObjectiveWeights(0, 1, 0), teacher);
        var batch = WeightedBatch();
        double[] own = SmallModel.LogProbabilities(SmallModel.Logits(_device, student, batch.Ids, batch.Lengths), Vocabulary);
        double[] guide = SmallModel.LogProbabilities(SmallModel.Logits(_device, teacher, batch.Ids, batch.Lengths), Vocabulary);
        double Kl(int t) => Enumerable.Range(t * Vocabulary, Vocabulary).Sum(i => Math.Exp(guide[i]) * (guide[i] - own[i]));
        Assert.Equal(Mean(batch, Kl), objective.Evaluate(batch).Divergence, 1e-4);
    }

    public void Dispose() => _device.Dispose();

    private static PackedBatch WeightedBatch()
    {
        var documents = new List<TokenDocument>
        {
            TokenDocument.Uniform(SmallModel.Ids(7, Vocabulary, 3)),
            new(SmallModel.Ids(5, Vocabulary, 4), [0, 0, 0.5f, 2, 1]),
        };
        return BatchPacker.Pack(documents, 100, 12);
    }

    private static double Mean(PackedBatch batch, Func<int, double> loss) =>
        Enumerable.Range(0, batch.Ids.Length).Where(t => batch.Weights[t] != 0).Sum(t => batch.Weights[t] * loss(t)) / batch.WeightSum;

    private static double Cosine(float[] left, float[] right, int token)
    {
        double product = 0, first = 0, second = 0;
        for (int i = token * 16; i < (token + 1) * 16; i++)
        {
            product += (double)left[i] * right[i];
            first += (double)left[i] * left[i];
            second += (double)right[i] * right[i];
        }

        return product / Math.Sqrt(first * second);
    }

    private static void AssertSlopes(Parameter parameter, Func<double> loss)
    {
        const float step = 1f / 128;
        int count = (int)Math.Min(parameter.Count, 40);
        var random = new CounterRandom(9, (ulong)parameter.Count);
        var gradients = new float[count];
        var slopes = new double[count];
        double norm = Math.Sqrt(new Span<float>(parameter.Gradient.Floats, (int)parameter.Count).ToArray().Average(g => (double)g * g) * count);
        for (int i = 0; i < count; i++)
        {
            int element = random.Next((int)parameter.Count);
            gradients[i] = parameter.Gradient.Floats[element];
            slopes[i] = Slope(loss, s => parameter.Floats[element] += s * step) / step;
        }

        // A loss that does not see a weight has neither gradient nor slope: 0 is not above 0.
        double error = Math.Sqrt(gradients.Zip(slopes, (g, s) => (g - s) * (g - s)).Sum());
        Assert.True(error <= 5e-3 * norm, $"{parameter.Name}: gradient and slopes differ by {error:E2} of {norm:E2}");
    }

    /// <summary>Along g/‖g‖ + r/‖r‖ with random r over all parameters at once: derivative g·v, ten directions.</summary>
    private static void AssertDirections(Decoder model, Func<double> loss)
    {
        Parameter[] parameters = [.. model.Parameters];
        double gradientNorm = Math.Sqrt(parameters.Sum(p => new Span<float>(p.Gradient.Floats, (int)p.Count).ToArray().Sum(g => (double)g * g)));
        long total = parameters.Sum(p => p.Count);
        float[][] originals = [.. parameters.Select(p => new Span<float>(p.Floats, (int)p.Count).ToArray())];
        for (ulong direction = 0; direction < 10; direction++)
        {
            double expected = 0;
            var steps = new float[parameters.Length][];
            for (int p = 0; p < parameters.Length; p++)
            {
                var random = new CounterRandom(direction, (ulong)p);
                steps[p] = new float[parameters[p].Count];
                for (int i = 0; i < steps[p].Length; i++)
                {
                    double g = parameters[p].Gradient.Floats[i];
                    double v = (g / gradientNorm) + (random.NextGaussian() / Math.Sqrt(total));
                    steps[p][i] = (float)(v * 0.01);
                    expected += g * v;
                }
            }

            void Move(double position)
            {
                for (int p = 0; p < parameters.Length; p++)
                {
                    for (int i = 0; i < steps[p].Length; i++)
                    {
                        parameters[p].Floats[i] = originals[p][i] + ((float)position * steps[p][i]);
                    }
                }
            }

            double Central(double size)
            {
                double position = 0;
                double slope = Slope(loss, move => Move(position += move * size)) / (size * 0.01);
                return slope;
            }

            // The loss is strongly curved along its own gradient: two steps cancel the cubic term.
            double slope = ((4 * Central(0.5)) - Central(1)) / 3;
            Assert.True(Math.Abs(slope - expected) <= 2e-3 * Math.Abs(expected), $"direction {direction}: {slope} instead of {expected}");
        }
    }

    /// <summary>(L(+1) − L(−1)) / 2; the mover is called with +1, −2, +1.</summary>
    private static double Slope(Func<double> loss, Action<int> move)
    {
        move(1);
        double above = loss();
        move(-2);
        double below = loss();
        move(1);
        return (above - below) / 2;
    }

    private float[][] States(Decoder model, PackedBatch batch)
    {
        using var arena = new Arena("states");
        var capture = new HiddenCapture();
        model.Forward(new Executor(_device, arena, null), StepBatch.Packed(arena, batch.Ids, batch.Lengths), null, capture);
        return [.. Enumerable.Range(0, model.Layers.Count + 1).Select(depth => SmallModel.Copy(capture[depth]))];
    }

    private void AssertRefused(Decoder student, Decoder? teacher, int[]? map, string part)
    {
        int arenas = Arena.LiveArenas;
        var error = Assert.Throws<ArgumentException>(() => new Trainer(
            _device, student, TrainerTests.Settings(1), ObjectiveWeights.Distillation, ListSource.OfLengths(Vocabulary, 5), teacher, map));
        Assert.Contains(part, error.Message, StringComparison.Ordinal);
        Assert.Equal(arenas, Arena.LiveArenas);
    }
}
