using Tessera.Devices;

namespace Tessera.Device.Tests;

[Trait("Category", Card.Category)]
public sealed class CudaArenaTests
{
    [Fact]
    public void An_arena_grows_without_moving_and_keeps_what_is_in_it()
    {
        using var device = Card.Open();
        using var arena = device.CreateArena("growing");
        var pieces = new List<(nint Address, byte Value, int Bytes)>();
        for (int i = 1; i <= 24; i++)
        {
            int bytes = 700_000 * i;
            byte[] content = new byte[bytes];
            Array.Fill(content, (byte)i);
            nint address = arena.Allocate(bytes);
            Assert.Equal(0, address % Arena.Alignment);
            device.Upload<byte>(content, address);
            pieces.Add((address, (byte)i, bytes));
        }

        Assert.Equal(pieces.Sum(piece => Arena.PaddedBytes(piece.Bytes)), arena.UsedBytes);
        Assert.Equal(arena.UsedBytes, pieces[^1].Address - pieces[0].Address + Arena.PaddedBytes(pieces[^1].Bytes));
        foreach (var (address, value, bytes) in pieces)
        {
            byte[] content = new byte[bytes];
            device.Download<byte>(address, content);
            Assert.False(content.AsSpan().ContainsAnyExcept(value), $"piece {value}");
        }

        arena.Reset();
        Assert.Equal(pieces.Select(piece => piece.Address), pieces.Select(piece => arena.Allocate(piece.Bytes)));
    }

    [Fact]
    public void Unmapping_gives_memory_back_and_mapping_again_finds_the_same_addresses()
    {
        const long Bytes = 512L << 20;
        using var device = Card.Open();
        long before = device.FreeBytes, live = Arena.LiveBytes;
        using var arena = device.CreateArena("phase");
        arena.Reserve(Bytes);
        nint address = arena.Allocate(Bytes / 2);
        arena.Allocate(100 << 20);
        Assert.Equal(Bytes, before - device.FreeBytes);
        Assert.Equal(live + arena.CapacityBytes, Arena.LiveBytes);

        device.Clear(address, Bytes / 2);
        arena.Unmap();
        Assert.True(arena.IsUnmapped);
        Assert.Equal(before, device.FreeBytes);
        Assert.Equal(live, Arena.LiveBytes);
        Assert.Throws<InvalidOperationException>(() => arena.Allocate(1));

        using var other = device.CreateArena("another phase");
        other.Reserve(Bytes);
        other.Unmap();
        arena.Remap();
        device.Upload<int>([7], address);
        int[] value = new int[1];
        device.Download<int>(address, value);
        Assert.Equal(7, value[0]);
        arena.Reset();
        Assert.Equal(address, arena.Allocate(1));
    }

    [Fact]
    public void Memory_of_disposed_arenas_is_free_again()
    {
        using var device = Card.Open();
        long before = device.FreeBytes;
        for (int i = 0; i < 20; i++)
        {
            using var arena = device.CreateArena("short-lived");
            arena.AllocateZeroed(1L << 30);
        }

        Assert.Equal(before, device.FreeBytes);
    }

    [Fact]
    public void What_does_not_fit_is_refused_with_arena_wanted_and_free_bytes_and_nothing_is_lost()
    {
        using var device = Card.Open();
        using var arena = device.CreateArena("too much");
        nint kept = arena.Allocate(4);
        device.Upload<int>([11], kept);
        long wanted = device.Card.TotalBytes - (64L << 20), free = device.FreeBytes;
        var refused = Assert.Throws<InsufficientMemoryException>(() => arena.Allocate(wanted));
        Assert.Contains("arena 'too much' cannot take ", refused.Message, StringComparison.Ordinal);
        Assert.Contains($"cuda:0 has {free:N0} of ", refused.Message, StringComparison.Ordinal);
        Assert.Throws<InsufficientMemoryException>(() => arena.Allocate(2 * device.Card.TotalBytes));

        Assert.Equal(free, device.FreeBytes);
        int[] value = new int[1];
        device.Download<int>(kept, value);
        Assert.Equal(11, value[0]);
        arena.AllocateZeroed(1 << 20);
    }

    [Fact]
    public void A_device_that_plans_counts_what_the_real_one_takes()
    {
        using var device = Card.Open();
        using var planning = device.ForPlanning();
        using var real = device.CreateArena("real");
        using var planned = planning.CreateArena("planned");
        long before = device.FreeBytes;
        foreach (Arena arena in (Arena[])[planned, real])
        {
            arena.Allocate(3 << 20);
            var mark = arena.Mark();
            arena.AllocateZeroed(70 << 20);
            arena.Release(mark);
            arena.Allocate(5);
            if (arena == planned)
            {
                Assert.Equal(before, device.FreeBytes);
            }
        }

        Assert.Equal(planned.HighWaterBytes, real.HighWaterBytes);
    }
}
