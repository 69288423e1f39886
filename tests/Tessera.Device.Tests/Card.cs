using Tessera.Devices;

// One card, whose memory several tests fill: they run one after the other.
[assembly: CollectionBehavior(DisableTestParallelization = true)]

namespace Tessera.Device.Tests;

/// <summary>The card that device tests run on.</summary>
/// <remarks>Without one they are skipped with the reason; TESSERA_REQUIRE_CUDA=1 makes that a failure, where there must be one.</remarks>
internal static class Card
{
    public const string Category = "Device";

    private static readonly Lazy<string?> Missing = new(Probe);

    /// <summary>Opens the first card; the test that calls is skipped where there is none.</summary>
    public static CudaDevice Open(DType activations = DType.F32)
    {
        Require();
        return new CudaDevice(0, activations);
    }

    /// <summary>Skips the calling test where there is no card.</summary>
    public static void Require()
    {
        if (Environment.GetEnvironmentVariable("TESSERA_REQUIRE_CUDA") == "1")
        {
            Assert.True(Missing.Value is null, Missing.Value);
        }

        Assert.SkipUnless(Missing.Value is null, $"no GPU here: {Missing.Value}");
    }

    private static string? Probe()
    {
        try
        {
            using var device = new CudaDevice();
            return null;
        }
        catch (NotSupportedException refused)
        {
            return refused.Message;
        }
    }
}
