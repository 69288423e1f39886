using Tessera.Devices;
using Tessera.Models.Checkpoints;
using Tessera.Models.Safetensors;
using Tessera.Models.Tests;
using Tessera.TestSupport;
using Tessera.Training;
using Tessera.Training.Data;
using Tessera.Training.Objectives;

namespace Tessera.Device.Tests.Models;

/// <summary>Small models that transformers made, against its numbers in f32 and against double precision in bf16.</summary>
[Trait("Category", Card.Category)]
public sealed class ParityCudaTests
{
    private const int Rows = 2;
    private const int Length = 48;

    public static TheoryData<string> Names =>
        ["llama3", "llama3_tied_headdim", "nemotron_nas", "qwen2", "qwen3", "mistral_window"];

    [Theory]
    [MemberData(nameof(Names))]
    public void Logits_loss_and_gradients_are_those_of_transformers(string name)
    {
        using var card = Card.Open();
        using var fixture = new ParityFixture(name);
        using var reference = fixture.OpenReference();
        using var model = ModelFolder.Load(fixture.Folder, DType.F32, card);
        int[] ids = [.. reference.ReadInt64("input_ids").Select(id => (int)id)];
        float difference = SmallModel.LargestDifference(
            ParityFixture.ReadFloats(reference, "logits"), CardModel.Logits(card, model, ids, Length, Length));
        Assert.True(difference <= 1e-4f, $"logits differ by {difference:E2}");

        var documents = Enumerable.Range(0, Rows).Select(row => TokenDocument.Uniform(ids[(row * Length)..((row + 1) * Length)])).ToList();
        var batch = BatchPacker.Pack(documents, Length, ids.Length);
        using var optimizer = new Optimizer(card, model.Parameters);
        using var objective = new Objective(card, model, ObjectiveWeights.LanguageModelling);
        var loss = objective.Accumulate(batch, batch.WeightSum);
        Assert.Equal(ParityFixture.ReadFloats(reference, "loss")[0], loss.CrossEntropy, 1e-5);
        foreach (var slice in WeightMap.Slices(model))
        {
            var first = slice.Parameter.Gradient + ((long)slice.RowStart * slice.Parameter.Columns);
            double error = Errors.RelativeL2(
                CardModel.Floats(card, first, (long)slice.Rows * slice.Parameter.Columns),
                ParityFixture.ReadFloats(reference, "grad." + slice.Name).AsSpan());
            Assert.True(error <= 1e-4, $"gradient of {slice.Name} differs by {error:E2}");
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void In_bf16_logits_are_those_of_double_precision_on_the_rounded_weights(string name)
    {
        using var card = Card.Open(DType.BF16);
        using var fixture = new ParityFixture(name);
        using var reference = fixture.OpenReference();
        using var source = ModelFolder.Load(fixture.Folder, DType.BF16);
        using var model = ModelFolder.Load(fixture.Folder, DType.BF16, card);
        int[] ids = [.. reference.ReadInt64("input_ids").Select(id => (int)id)];
        new Bf16Expectation(source, [ids[..Length], ids[Length..(2 * Length)]], bound: 3e-2)
            .AssertClose(CardModel.Logits(card, model, ids, Length, Length), name);
    }
}
