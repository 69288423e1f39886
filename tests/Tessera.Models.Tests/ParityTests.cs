using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Models.Blocks;
using Tessera.Models.Checkpoints;
using Tessera.Models.Safetensors;
using Tessera.Tensors;
using Tessera.TestSupport;

namespace Tessera.Models.Tests;

public sealed unsafe class ParityTests
{
    private const int Rows = 2;
    private const int Length = 48;

    [Theory]
    [InlineData("llama3")]
    [InlineData("llama3_tied_headdim")]
    [InlineData("nemotron_nas")]
    [InlineData("qwen2")]
    [InlineData("qwen3")]
    [InlineData("mistral_window")]
    public void Logits_loss_gradients_and_greedy_tokens_are_those_of_transformers(string name)
    {
        using var fixture = new ParityFixture(name);
        using var reference = fixture.OpenReference();
        using var device = new CpuDevice(1);
        using var model = ModelFolder.Load(fixture.Folder, DType.F32);
        int[] ids = [.. reference.ReadInt64("input_ids").Select(id => (int)id)];

        float[] logits = SmallModel.Logits(device, model, ids, Length, Length);
        float difference = SmallModel.LargestDifference(ParityFixture.ReadFloats(reference, "logits"), logits);
        Assert.True(difference <= 2e-5f, $"logits differ by {difference:E2}");
        AssertLossAndGradients(device, model, ids, reference);
        AssertGreedy(device, model, [.. reference.ReadInt64("greedy").Select(id => (int)id)]);
    }

    [Theory]
    [InlineData("stories260K", "stories260K/hf", "stories260K/stories260K_expected_logits.safetensors")]
    [InlineData("TinyStories-656K", "tinystories-656k", "tinystories-656k/TinyStories-656K_expected_logits.safetensors")]
    public void Trained_models_give_the_published_logits_and_hidden_states(string name, string folder, string expected)
    {
        string path = SharedData.Require("models", folder);
        using var reference = SafetensorsCheckpoint.Open(SharedData.Require("models", expected));
        using var device = new CpuDevice(1);
        using var model = ModelFolder.Load(path, DType.F32);
        for (int prompt = 0; reference.TryGet($"p{prompt}.ids", out _); prompt++)
        {
            int[] ids = [.. reference.ReadInt64($"p{prompt}.ids").Select(id => (int)id)];
            float difference = SmallModel.LargestDifference(
                ParityFixture.ReadFloats(reference, $"p{prompt}.logits"), SmallModel.Logits(device, model, ids));
            Assert.True(difference <= 1e-4f, $"{name}, prompt {prompt}: logits differ by {difference:E2}");
        }

        int[] first = [.. reference.ReadInt64("p0.ids").Select(id => (int)id)];
        using var arena = new Arena("test");
        var capture = new HiddenCapture();
        model.Forward(new Executor(device, arena, null), StepBatch.Single(arena, first), null, capture);
        for (int depth = 0; depth <= model.Layers.Count; depth++)
        {
            double error = Errors.RelativeL2(
                SmallModel.Copy(capture[depth]), ParityFixture.ReadFloats(reference, $"p0.hidden.{depth}").AsSpan());
            Assert.True(error <= 1e-5, $"{name}: hidden state {depth} differs by {error:E2}");
        }
    }

    private static void AssertLossAndGradients(Device device, Decoder model, int[] ids, SafetensorsCheckpoint reference)
    {
        using var gradients = new Arena("gradients");
        using var arena = new Arena("activations");
        using var tape = new Tape(device);
        foreach (var parameter in model.Parameters)
        {
            parameter.Train(gradients);
        }

        var hidden = model.Forward(new Executor(device, arena, tape), StepBatch.Packed(arena, ids, [Length, Length]));
        int* targets = (int*)arena.AllocateZeroed(ids.Length * sizeof(int));
        float* weights = (float*)arena.AllocateZeroed(ids.Length * sizeof(float));
        float* losses = arena.Floats(ids.Length);
        for (int i = 0; i < ids.Length; i++)
        {
            if (i % Length != Length - 1)
            {
                (targets[i], weights[i]) = (ids[i + 1], 1f);
            }
        }

        const int predictions = Rows * (Length - 1);
        LinearCrossEntropy.Run(
            device, hidden.Data, model.Head.View, targets, weights, losses, tape.GradientOf(hidden), model.Head.Gradient,
            ids.Length, hidden.Columns, model.Head.Rows, 1f / predictions);
        tape.Backward();
        double loss = new Span<float>(losses, ids.Length).ToArray().Sum(value => (double)value) / predictions;
        Assert.Equal(ParityFixture.ReadFloats(reference, "loss")[0], loss, 1e-5);
        foreach (var slice in WeightMap.Slices(model))
        {
            float* first = slice.Parameter.Gradient.Floats + ((long)slice.RowStart * slice.Parameter.Columns);
            double error = Errors.RelativeL2(
                new ReadOnlySpan<float>(first, slice.Rows * slice.Parameter.Columns),
                ParityFixture.ReadFloats(reference, "grad." + slice.Name).AsSpan());
            Assert.True(error <= 1e-4, $"gradient of {slice.Name} differs by {error:E2}");
        }

        foreach (var parameter in model.Parameters)
        {
            parameter.Freeze();
        }
    }

    private static void AssertGreedy(Device device, Decoder model, int[] expected)
    {
        const int given = 20;
        int vocabulary = model.Configuration.VocabularySize;
        var ids = expected[..given].ToList();
        while (ids.Count < expected.Length)
        {
            float[] logits = SmallModel.Logits(device, model, ids.ToArray());
            float[] last = logits[^vocabulary..];
            ids.Add(Array.IndexOf(last, last.Max()));
        }

        Assert.Equal(expected, ids);
    }
}
