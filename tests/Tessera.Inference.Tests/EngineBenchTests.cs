using Tessera.Devices;
using Tessera.Inference.Measurement;
using Tessera.Models;
using Tessera.Models.Configuration;

namespace Tessera.Inference.Tests;

public class EngineBenchTests
{
    [Theory]
    [InlineData(1, 5)]
    [InlineData(4, 70)]
    public void Every_step_gives_every_sequence_a_token(int batch, int inputLength)
    {
        const int Steps = 6;
        using var device = new CpuDevice(1);
        using var model = TestModel(device, positions: inputLength + EngineBench.PositionsBeyond(batch, inputLength, Steps));
        using var bench = new EngineBench(device, model, DType.F32, batch, inputLength, Steps);
        for (int round = 0; round < 3; round++)
        {
            EngineTime time = bench.Measure();
            Assert.Equal(batch / time.StepSeconds, time.TokensPerSecond, 1e-6 * time.TokensPerSecond);

            // The processor's work is the host's.
            Assert.Equal(time.StepSeconds, time.HostSeconds, 1e-9);
            Assert.True(time.AllocatedBytes >= 0);
        }
    }

    [Fact]
    public void A_model_of_too_few_positions_is_refused()
    {
        using var device = new CpuDevice(1);
        using var model = TestModel(device, positions: 20);
        var refusal = Assert.Throws<ArgumentException>(() => new EngineBench(device, model, DType.F32, 1, 16, 8));
        Assert.Contains("at most 20", refusal.Message, StringComparison.Ordinal);
    }

    private static Decoder TestModel(CpuDevice device, int positions)
    {
        var model = Decoder.Allocate(
            new ModelConfiguration
            {
                Architecture = ModelFamily.Llama,
                VocabularySize = 50,
                HiddenSize = 16,
                HeadCount = 2,
                HeadDim = 8,
                RmsNormEpsilon = 1e-5,
                RopeTheta = 10_000,
                MaxPositions = positions,
                TieEmbeddings = true,
                StorageType = DType.F32,
                Layers = [new LayerConfiguration(new AttentionConfiguration(1), new SwiGluConfiguration(24))],
            },
            DType.F32, device);
        ModelInitializer.Fill(model, 1, device);
        return model;
    }
}
