using Tessera.Alignment.Policy;
using Tessera.Devices;
using Tessera.Models;
using Tessera.Models.Checkpoints;
using Tessera.Models.Tests;
using Tessera.TestSupport;

namespace Tessera.Alignment.Tests;

/// <summary>A policy is taught on a device whose memory nothing above the kernels can reach, and to the same bits.</summary>
public sealed class DeviceMemoryTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tessera-policy-").FullName;

    public DeviceMemoryTests()
    {
        var configuration = SmallModel.Configuration(vocabulary: TestRollouts.Vocabulary);
        foreach (var (name, seed) in ((string, ulong)[])[("policy", 1), ("reference", 5)])
        {
            using var model = SmallModel.Create(configuration, seed);
            ModelFolder.Save(Path.Combine(_folder, name), model, DType.F32);
        }
    }

    [Fact]
    public void A_policy_learns_on_memory_that_only_kernels_reach()
    {
        using var processor = new CpuDevice(2);
        using var guarded = new GuardedDevice(2);
        byte[] expected = Learn(processor), actual = Learn(guarded);
        Assert.True(guarded.Openings > 100, $"the memory was opened {guarded.Openings} times");
        Assert.True(expected.AsSpan().SequenceEqual(actual));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private byte[] Learn(Device device)
    {
        using var policy = Load("policy", device);
        using var reference = Load("reference", device);
        var settings = TestRollouts.Settings(updates: 2, rate: 1e-2);
        settings = settings with
        {
            Policy = settings.Policy with { KlWeight = 0.1f },
            Optimisation = settings.Optimisation with { BatchTokens = 64, MaxLength = 18 },
        };
        using (var trainer = new GrpoTrainer(device, policy, settings, reference))
        {
            trainer.Learn(TestRollouts.Random(12, seed: 1));
        }

        string stored = Path.Combine(_folder, device.Name);
        ModelFolder.Save(stored, policy, DType.F32);
        return File.ReadAllBytes(Path.Combine(stored, "model.safetensors"));
    }

    private Decoder Load(string name, Device device) => ModelFolder.Load(Path.Combine(_folder, name), DType.F32, device);
}
