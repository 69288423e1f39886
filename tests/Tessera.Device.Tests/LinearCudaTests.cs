using Tessera.Devices;
using Tessera.Kernels;
using Tessera.TestSupport;

namespace Tessera.Device.Tests;

[Trait("Category", Card.Category)]
public sealed class LinearCudaTests
{
    private static readonly (int Outputs, int Inputs)[] Weights = [(1, 1), (17, 17), (48, 64), (130, 1032), (5, 260)];
    private static readonly int[] TokenCounts = [0, 1, 3, 8, 9, 16, 17, 130];

    public static TheoryData<DType, DType, DType> Types => GemmCudaTests.Types;

    [Theory]
    [MemberData(nameof(Types))]
    public void Forward_matches_the_reference_for_few_and_many_tokens(DType typeInput, DType typeWeight, DType typeOutput)
    {
        using var device = Card.Open(DType.BF16);
        double bound = BoundOf(typeInput, typeWeight);
        int turn = 0;
        foreach (var (outputs, inputs) in Weights)
        {
            foreach (int tokens in TokenCounts)
            {
                foreach (bool invariant in (bool[])[false, true])
                {
                    var (gap, misalignment) = (turn % 4) switch { 0 => (8, 0), 1 => (3, 1), _ => (0, 0) };
                    bool accumulate = turn++ % 3 == 0;
                    using var x = new DeviceMatrix(device, typeInput, tokens, inputs, 1, gap);
                    using var w = new DeviceMatrix(device, typeWeight, outputs, inputs, 2, gap, misalignment);
                    using var y = new DeviceMatrix(device, typeOutput, tokens, outputs, 3, gap);
                    double[] expected = GemmCudaTests.Reference(x, false, w, true, tokens, outputs, inputs);
                    Linear.Forward(device, x.Elements, x.Stride, w.View, y.Elements, y.Stride, tokens, accumulate, invariant);
                    ProductTolerances.AssertProduct(
                        y.Read(), expected, accumulate ? y.Before : default, typeOutput, bound,
                        $"{tokens} tokens, {outputs}x{inputs}, gap {gap}, off by {misalignment}, invariant {invariant}, accumulate {accumulate}");
                }
            }
        }
    }

    [Theory]
    [InlineData(DType.F32, DType.F32)]
    [InlineData(DType.BF16, DType.BF16)]
    [InlineData(DType.F32, DType.BF16)]
    [InlineData(DType.BF16, DType.F32)]
    public void A_tokens_bits_do_not_depend_on_others_among_few_and_with_invariant_on_their_number(DType typeInput, DType typeWeight)
    {
        const int Outputs = 130, Inputs = 1032, Most = 1100;
        using var device = Card.Open(DType.BF16);
        using var x = new DeviceMatrix(device, typeInput, Most, Inputs, 1);
        using var w = new DeviceMatrix(device, typeWeight, Outputs, Inputs, 2);
        foreach (bool invariant in (bool[])[false, true])
        {
            int most = invariant ? Most : Linear.CudaFewTokens;
            float[] all = Run(0, most, invariant);
            foreach (var (first, count) in ((int, int)[])[(0, 1), (7, 1), (3, 2), (5, 9), (0, 16), (2, 17), (1, 64), (30, 65), (4, 700)])
            {
                if (first + count <= most)
                {
                    Assert.Equal(all.AsSpan(first * Outputs, count * Outputs).ToArray(), Run(first, count, invariant));
                }
            }
        }

        float[] Run(int first, int count, bool invariant)
        {
            using var y = new DeviceMatrix(device, DType.F32, count, Outputs, 3);
            Linear.Forward(device, x.Elements + (first * x.Stride), x.Stride, w.View, y.Elements, y.Stride, count, false, invariant);
            return y.Read();
        }
    }

    [Theory]
    [InlineData(DType.F32, DType.F32, 1)]
    [InlineData(DType.F32, DType.F32, 40)]
    [InlineData(DType.BF16, DType.BF16, 1)]
    [InlineData(DType.BF16, DType.BF16, 16)]
    [InlineData(DType.BF16, DType.BF16, 40)]
    public void Sums_of_one_order_keep_their_precision(DType typeInput, DType typeWeight, int tokens)
    {
        const int Outputs = 64, Inputs = 14_336;
        using var device = Card.Open(DType.BF16);
        using var x = new DeviceMatrix(device, typeInput, tokens, Inputs, 1);
        using var w = new DeviceMatrix(device, typeWeight, Outputs, Inputs, 2);
        using var y = new DeviceMatrix(device, DType.F32, tokens, Outputs, 3);
        Linear.Forward(device, x.Elements, x.Stride, w.View, y.Elements, y.Stride, tokens, false, invariant: true);
        Errors.AssertClose(
            y.Read(), GemmCudaTests.Reference(x, false, w, true, tokens, Outputs, Inputs), ProductTolerances.ProductF32, $"{tokens} tokens");
    }

    [Theory]
    [InlineData(DType.F32, DType.F32, DType.F32)]
    [InlineData(DType.BF16, DType.BF16, DType.BF16)]
    [InlineData(DType.BF16, DType.BF16, DType.F32)]
    [InlineData(DType.BF16, DType.F32, DType.F32)]
    [InlineData(DType.F32, DType.BF16, DType.F32)]
    public void Gradients_match_the_reference(DType typeActivation, DType typeWeight, DType typeGradWeight)
    {
        using var device = Card.Open(DType.BF16);
        foreach (var (outputs, inputs) in Weights)
        {
            foreach (int tokens in (int[])[1, 17, 130])
            {
                foreach (bool accumulate in (bool[])[false, true])
                {
                    using var x = new DeviceMatrix(device, typeActivation, tokens, inputs, 1, 5);
                    using var dy = new DeviceMatrix(device, typeActivation, tokens, outputs, 2, 8);
                    using var w = new DeviceMatrix(device, typeWeight, outputs, inputs, 3);
                    using var dx = new DeviceMatrix(device, typeActivation, tokens, inputs, 4, 8);
                    using var dw = new DeviceMatrix(device, typeGradWeight, outputs, inputs, 5);
                    double[] expectedInput = GemmCudaTests.Reference(dy, false, w, false, tokens, inputs, outputs);
                    double[] expectedWeight = GemmCudaTests.Reference(dy, true, x, false, outputs, inputs, tokens);
                    Linear.BackwardInput(device, dy.Elements, dy.Stride, w.View, dx.Elements, dx.Stride, tokens, accumulate);
                    Linear.BackwardWeight(
                        device, x.Elements, x.Stride, dy.Elements, dy.Stride, dw.Elements, tokens, outputs, inputs, accumulate);
                    string what = $"{tokens} tokens, {outputs}x{inputs}, accumulate {accumulate}";
                    ProductTolerances.AssertProduct(
                        dx.Read(), expectedInput, accumulate ? dx.Before : default, typeActivation, BoundOf(typeActivation, typeWeight),
                        "input, " + what);
                    ProductTolerances.AssertProduct(
                        dw.Read(), expectedWeight, accumulate ? dw.Before : default, typeGradWeight,
                        BoundOf(typeActivation, typeActivation), "weight, " + what);
                }
            }
        }
    }

    private static double BoundOf(DType left, DType right) =>
        left == DType.BF16 && right == DType.BF16 ? ProductTolerances.ProductOfBf16 : ProductTolerances.ProductF32;
}
