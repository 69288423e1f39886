namespace Tessera.Devices.Tests;

public sealed unsafe class ArenaTests
{
    [Fact]
    public void The_high_water_mark_is_what_one_chunk_needs_whatever_the_chunks()
    {
        using var growing = new Arena("growing");
        using var reserved = new Arena("reserved");
        Replay(growing);
        reserved.Reserve(growing.HighWaterBytes);
        Replay(reserved);
        Assert.Equal(growing.HighWaterBytes, reserved.HighWaterBytes);
        Assert.Equal(reserved.HighWaterBytes, reserved.CapacityBytes);
        Assert.True(growing.CapacityBytes > growing.HighWaterBytes, "the growing arena has gaps");
        Assert.Equal(growing.UsedBytes, reserved.UsedBytes);
        reserved.Reset();
        Assert.Equal(0, reserved.UsedBytes);
        Assert.Equal(growing.HighWaterBytes, reserved.HighWaterBytes);
    }

    [Fact]
    public void Used_bytes_follow_marks_and_releases()
    {
        using var arena = new Arena("marks");
        Assert.Equal(0, arena.UsedBytes);
        arena.Allocate(100);
        long first = arena.UsedBytes;
        Assert.Equal(Arena.PaddedBytes(100), first);
        var mark = arena.Mark();
        arena.Allocate(3L << 20);
        Assert.Equal(first + Arena.PaddedBytes(3L << 20), arena.UsedBytes);
        arena.Release(mark);
        Assert.Equal(first, arena.UsedBytes);
        Assert.Equal(first + Arena.PaddedBytes(3L << 20), arena.HighWaterBytes);
    }

    [Fact]
    public void A_device_that_plans_counts_the_same_and_takes_no_memory()
    {
        using var device = new CpuDevice(3);
        using var planning = device.ForPlanning();
        Assert.True(planning.IsPlanning && !device.IsPlanning);
        using var arena = planning.CreateArena("large");
        using var real = device.CreateArena("real");
        Replay(real);
        long live = Arena.LiveBytes, resident = Environment.WorkingSet;
        Replay(arena);
        Assert.Equal(real.HighWaterBytes, arena.HighWaterBytes);
        nint zeroed = arena.AllocateZeroed(64L << 30);
        Assert.Equal(0, *(long*)zeroed);
        ((byte*)zeroed)[40L << 30] = 1;
        Assert.InRange(Environment.WorkingSet - resident, long.MinValue, 64L << 20);
        Assert.Equal(live, Arena.LiveBytes);
        Assert.Equal(3, CpuDevice.From(planning).Workers.Count);
        int calls = 0;
        CpuDevice.From(planning).Workers.Run(&Count, &calls);
        Assert.Equal(0, calls);
    }

    [Fact]
    public void An_unmapped_arena_keeps_its_addresses_and_gives_large_chunks_back()
    {
        const long Bytes = 256L << 20;
        using var arena = new Arena("phase");
        arena.Reserve(Bytes);
        nint address = arena.Allocate(Bytes - 4096);
        new Span<byte>((void*)address, (int)(Bytes - 4096)).Fill(7);
        long live = Arena.LiveBytes, resident = Environment.WorkingSet;
        arena.Unmap();
        arena.Unmap();
        Assert.True(arena.IsUnmapped);
        Assert.Equal(live - Bytes, Arena.LiveBytes);
        if (OperatingSystem.IsLinux())
        {
            Assert.InRange(Environment.WorkingSet, 0, resident - (Bytes / 2));
        }

        Assert.Throws<InvalidOperationException>(() => arena.Allocate(1));
        arena.Remap();
        Assert.Equal(live, Arena.LiveBytes);
        ((byte*)address)[Bytes - 4097] = 1;
        arena.Reset();
        Assert.Equal(address, arena.Allocate(1));
        arena.Unmap();
        arena.Dispose();
        Assert.Equal(live - Bytes, Arena.LiveBytes);
    }

    private static void Count(void* context, int worker, int workers) => Interlocked.Increment(ref *(int*)context);

    private static void Replay(Arena arena)
    {
        for (int round = 0; round < 2; round++)
        {
            arena.Reset();
            arena.Allocate(700 << 10);
            var mark = arena.Mark();
            arena.Allocate(600 << 10);
            arena.Allocate(5 << 20);
            arena.Release(mark);
            arena.Allocate(400 << 10);
            arena.Allocate(1);
        }
    }
}
