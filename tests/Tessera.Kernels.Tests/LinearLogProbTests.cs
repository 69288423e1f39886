using Tessera.Devices;
using Tessera.TestSupport;

namespace Tessera.Kernels.Tests;

public unsafe class LinearLogProbTests
{
    [Theory]
    [InlineData(1, 1, 1, 1f)]
    [InlineData(5, 7, 15, 0.7f)]
    [InlineData(3, 16, 16, 1f)]
    [InlineData(64, 17, 33, 2f)]
    [InlineData(65, 32, 64, 1f)]
    [InlineData(130, 5, 129, 1f)]
    [InlineData(7, 24, 8200, 1f)]
    public void Log_probabilities_and_entropies_match_the_reference(int tokens, int width, int vocabulary, float temperature)
    {
        using var device = new CpuDevice(2);
        using var data = new PolicyData(tokens, width, vocabulary);
        using var logProb = new GuardedFloats(tokens);
        using var entropy = new GuardedFloats(tokens);
        double[] expected = new double[tokens], expectedEntropy = new double[tokens];
        LinearLogProb.ReferenceRun(
            RowData.Wide(data.Hidden.Span), RowData.Wide(data.Head.Span), data.Targets, RowData.Wide(data.Weights.Span), temperature,
            expected, expectedEntropy, width, vocabulary);
        Run(device, data, temperature, logProb.Pointer, entropy.Pointer);
        Errors.AssertClose(logProb.Checked(), expected, 2e-6, "log-probability");
        Errors.AssertClose(entropy.Checked(), expectedEntropy, 5e-6, "entropy");
    }

    [Theory]
    [InlineData(7, 24, 8200)]
    [InlineData(150, 33, 701)]
    public void The_bits_are_those_of_the_negated_cross_entropy(int tokens, int width, int vocabulary)
    {
        long budget = 65L * vocabulary * sizeof(float);
        using var device = new CpuDevice(2);
        using var data = new PolicyData(tokens, width, vocabulary);
        using var logProb = new GuardedFloats(tokens);
        using var loss = new GuardedFloats(tokens);
        using var gradient = new GuardedFloats(tokens * width);
        Run(device, data, 1f, logProb.Pointer, null, budget);
        fixed (int* targets = data.Targets)
        {
            LinearCrossEntropy.Run(
                device, data.Hidden.Pointer, data.HeadView, targets, data.Weights.Pointer, loss.Pointer, gradient.Pointer, null, tokens,
                width, vocabulary, 1f, budget);
        }

        for (int t = 0; t < tokens; t++)
        {
            Assert.Equal(loss.Span[t], -logProb.Span[t]);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(100)]
    [InlineData(5000)]
    public void Equal_logits_have_the_entropy_of_the_vocabulary_and_one_large_logit_has_none(int vocabulary)
    {
        using var device = new CpuDevice(1);
        using var data = new PolicyData(2, 1, vocabulary);
        data.Weights.Span.Fill(1f);
        data.Hidden.Span[0] = 0f;
        data.Hidden.Span[1] = 1f;
        data.Head.Span.Clear();
        data.Head.Span[vocabulary / 2] = 300f;
        data.Targets.AsSpan().Fill(vocabulary / 2);
        using var logProb = new GuardedFloats(2);
        using var entropy = new GuardedFloats(2);
        Run(device, data, 1f, logProb.Pointer, entropy.Pointer);
        Assert.Equal(Math.Log(vocabulary), entropy.Span[0], 1e-6);
        Assert.Equal(-Math.Log(vocabulary), logProb.Span[0], 1e-6);
        Assert.Equal((0f, 0f), (logProb.Span[1], entropy.Span[1]));
    }

    [Fact]
    public void Every_thread_count_gives_the_same_bits() => RowData.AssertSameBits(device =>
    {
        using var data = new PolicyData(70, 33, 301);
        using var logProb = new GuardedFloats(70);
        using var entropy = new GuardedFloats(70);
        Run(device, data, 0.9f, logProb.Pointer, entropy.Pointer);
        return [.. logProb.Span, .. entropy.Span];
    });

    [Theory]
    [InlineData(0f)]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void A_temperature_that_is_not_positive_is_refused(float temperature)
    {
        using var device = new CpuDevice(1);
        using var data = new PolicyData(1, 2, 3);
        using var logProb = new GuardedFloats(1);
        Assert.Contains(
            "temperature", Assert.Throws<ArgumentException>(() => Run(device, data, temperature, logProb.Pointer, null)).Message,
            StringComparison.Ordinal);
    }

    private static void Run(
        CpuDevice device, PolicyData data, float temperature, float* logProb, float* entropy,
        long budgetBytes = LinearCrossEntropy.LogitsBudgetBytes)
    {
        fixed (int* targets = data.Targets)
        {
            LinearLogProb.Run(
                device, data.Hidden.Pointer, data.HeadView, targets, data.Weights.Pointer, temperature, logProb, entropy,
                data.Targets.Length, data.Width, data.Vocabulary, budgetBytes);
        }
    }
}
