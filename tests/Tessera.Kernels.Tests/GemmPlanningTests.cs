using Tessera.Devices;

namespace Tessera.Kernels.Tests;

public sealed unsafe class GemmPlanningTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void The_scratch_of_a_product_is_within_the_plan_of_every_larger_one(int workers)
    {
        var random = new CounterRandom(11, (ulong)workers);
        for (int round = 0; round < 30; round++)
        {
            int[] large = [Draw(ref random), Draw(ref random), Draw(ref random)];
            int shrunk = random.Next(3);
            int[] small = [.. large];
            small[shrunk] = random.Next(1, large[shrunk]);
            Assert.True(
                Real(workers, small) <= Planned(workers, large), $"{string.Join('x', small)} needs more than the plan of {string.Join('x', large)}");
            Assert.True(Planned(workers, small) <= Planned(workers, large), $"{string.Join('x', small)} is planned above {string.Join('x', large)}");
        }
    }

    private static int Draw(ref CounterRandom random) => random.Next(8) switch
    {
        0 => 1,
        < 4 => random.Next(1, 100),
        _ => random.Next(1, 800),
    };

    private static long Real(int workers, int[] extents)
    {
        using var device = new CpuDevice(workers);
        using var arena = new Arena("operands");
        Multiply(device, arena, extents);
        return device.Scratch.HighWaterBytes;
    }

    private static long Planned(int workers, int[] extents)
    {
        using var device = new CpuDevice(workers);
        using var planning = device.ForPlanning();
        using var arena = planning.CreateArena("operands");
        Multiply(planning, arena, extents);
        return planning.Scratch.HighWaterBytes;
    }

    private static void Multiply(Device device, Arena arena, int[] extents)
    {
        var (m, n, k) = (extents[0], extents[1], extents[2]);
        var a = new MatrixView(arena.AllocateZeroed((long)m * k * sizeof(float)), DType.F32, m, k);
        var b = new MatrixView(arena.AllocateZeroed((long)k * n * sizeof(float)), DType.F32, k, n);
        Gemm.Multiply(device, a, false, b, false, arena.Floats((long)m * n), n, m, n, k, false);
    }
}
