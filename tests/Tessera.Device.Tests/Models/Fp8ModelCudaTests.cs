using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Checkpoints;
using Tessera.Models.Tests;
using Tessera.TestSupport;

namespace Tessera.Device.Tests.Models;

/// <summary>Models in fp8 on a card: weights have the processor's bits, logits are those of the rounded weights.</summary>
[Trait("Category", Card.Category)]
public sealed class Fp8ModelCudaTests
{
    public static TheoryData<string> Families => ["llama", "qwen2", "decilm-windows"];

    [Theory]
    [MemberData(nameof(Families))]
    public void Weights_of_a_folder_and_fresh_ones_have_the_processors_bits(string family)
    {
        using var card = Open();
        using var model = SmallModel.Create(FamilyModels.Configurations[family]);
        using var expected = ModelFolder.Convert(model, DType.FP8);
        using var loaded = CardModel.Copy(card, model, DType.FP8);
        AssertSame(card, expected, loaded);

        using var drawn = Decoder.Allocate(model.Configuration, DType.F32, card);
        ModelInitializer.Fill(drawn, 3, card);
        using var wide = Decoder.Allocate(model.Configuration, DType.F32);
        foreach (var (there, here) in drawn.Parameters.Zip(wide.Parameters))
        {
            byte[] bytes = new byte[there.Bytes];
            card.Download<byte>(there.Address, bytes);
            HostMemory.Instance.Upload<byte>(bytes, here.Address);
        }

        using var fresh = Decoder.Allocate(model.Configuration, DType.FP8, card);
        ModelInitializer.Fill(fresh, 3, card);
        using var rounded = ModelFolder.Convert(wide, DType.FP8);
        AssertSame(card, rounded, fresh);
    }

    /// <summary>Tokens are not rounded: nothing is lost beside the weights but what bf16 loses between operations.</summary>
    [Theory]
    [MemberData(nameof(Families))]
    public void A_few_tokens_have_the_logits_of_the_rounded_weights(string family)
    {
        using var card = Open();
        using var model = SmallModel.Create(FamilyModels.Configurations[family], type: DType.BF16);
        using var loaded = CardModel.Copy(card, model, DType.FP8);
        using var rounded = ModelFolder.Convert(model, DType.FP8);
        using var wide = ModelFolder.Convert(rounded, DType.F32);
        int[] ids = SmallModel.Ids(16, FamilyModels.Vocabulary);
        new Bf16Expectation(wide, [ids]).AssertClose(CardModel.Logits(card, loaded, ids), family);
    }

    /// <summary>Many tokens are rounded in front of every product: as far away as the formulas are with every stored value rounded so, at most.</summary>
    [Theory]
    [MemberData(nameof(Families))]
    public void Many_tokens_are_as_near_as_three_bits_of_mantissa_allow(string family)
    {
        using var card = Open();
        using var model = SmallModel.Create(FamilyModels.Configurations[family], type: DType.BF16, scale: 0.15f);
        using var loaded = CardModel.Copy(card, model, DType.FP8);
        int[] ids = SmallModel.Ids(150, FamilyModels.Vocabulary);
        var (formulas, bound) = RoundedEverywhere(model, ids);
        float[] actual = CardModel.Logits(card, loaded, ids);
        double distance = Errors.RelativeL2(actual, formulas);
        Assert.True(distance <= bound, $"{family}: relative L2 {distance:E2} is above {bound:E2}");
        Assert.Equal(actual, CardModel.Logits(card, loaded, ids));
    }

    /// <summary>The formulas' logits on weights rounded to fp8, and how far away they come to be where every stored value is rounded so.</summary>
    internal static (double[] Formulas, double Distance) RoundedEverywhere(Decoder model, int[] ids)
    {
        using var rounded = ModelFolder.Convert(model, DType.FP8);
        using var wide = ModelFolder.Convert(rounded, DType.F32);
        double[] formulas = new ReferenceDecoder(wide).Logits(ids);
        float[] everywhere = Array.ConvertAll(new ReferenceDecoder(wide) { Store = ThreeBits }.Logits(ids), Convert.ToSingle);
        return (formulas, Errors.RelativeL2(everywhere, formulas));
    }

    private static double ThreeBits(double value) =>
        value == 0 ? 0 : Math.ScaleB(Math.Round(Math.ScaleB(value, 3 - Math.ILogB(value))), Math.ILogB(value) - 3);

    private static void AssertSame(CudaDevice card, Decoder expected, Decoder actual)
    {
        foreach (var (here, there) in expected.Parameters.Zip(actual.Parameters))
        {
            byte[] bytes = new byte[there.Bytes];
            card.Download<byte>(there.Address, bytes);
            Assert.Equal(here.Type, there.Type);
            Assert.True(SmallModel.Bytes(here).AsSpan().SequenceEqual(bytes), $"{here.Name} has other bits");
        }
    }

    private static CudaDevice Open()
    {
        CudaDevice card = Card.Open(DType.BF16);
        if (!card.Card.HasFp8)
        {
            card.Dispose();
            Assert.Skip($"{card.Card.Name} has no E4M3");
        }

        return card;
    }
}
