namespace Tessera.Devices.Tests;

public sealed unsafe class ElementsTests
{
    [Fact]
    public void An_offset_counts_elements_whatever_their_size()
    {
        Assert.Equal(4096 + 40, (new Elements(4096, DType.F32) + 10).Address);
        Assert.Equal(4096 + 20, (new Elements(4096, DType.BF16) + 10).Address);
        Assert.Equal(4096L + (5L << 32), (long)(new Elements(4096, DType.BF16) + (5L << 31)).Address);
        Assert.Equal(DType.BF16, (new Elements(4096, DType.BF16) + 1).Type);
    }

    [Fact]
    public void Floats_become_elements_and_elements_of_floats_become_floats_again()
    {
        float number = 1;
        Elements elements = &number;
        Assert.True(elements.Exists && elements.Type == DType.F32);
        Assert.Equal((nint)(&number), (nint)elements.Floats);
        Elements none = null;
        Assert.False(none.Exists);
        Assert.True(none.Floats == null);
    }

    [Fact]
    public void Other_elements_are_refused_as_floats()
    {
        var error = Assert.Throws<InvalidOperationException>(() => (nint)new Elements(4096, DType.BF16).Floats);
        Assert.Equal("this computes on f32 elements, and these are bf16", error.Message);
    }

    [Fact]
    public void A_device_moves_clears_and_returns_what_was_uploaded()
    {
        using var device = new CpuDevice(2);
        using var arena = device.CreateArena("moved");
        int[] numbers = [3, 1, 4, 1, 5, 9, 2, 6];
        nint first = arena.Allocate(numbers.Length * sizeof(int)), second = arena.Allocate(numbers.Length * sizeof(int));
        device.Upload<int>(numbers, first);
        device.Copy(first, second, numbers.Length * sizeof(int));
        device.Clear(second + (2 * sizeof(int)), 3 * sizeof(int));
        device.Synchronize();
        int[] copied = new int[numbers.Length], original = new int[numbers.Length];
        device.Download<int>(second, copied);
        device.Download<int>(first, original);
        Assert.Equal(numbers, original);
        Assert.Equal([3, 1, 0, 0, 0, 9, 2, 6], copied);
        Assert.Equal(DType.F32, device.ActivationType);
    }

    [Fact]
    public void A_device_that_plans_neither_reads_nor_writes()
    {
        using var device = new CpuDevice(1);
        using var planning = device.ForPlanning();
        using var arena = planning.CreateArena("planned");
        long large = 1L << 40;
        nint address = arena.Allocate(large), other = arena.Allocate(large);
        int[] numbers = [1, 2, 3];
        long resident = Environment.WorkingSet;
        planning.Upload<int>(numbers, address);
        planning.Clear(address, large);
        planning.Copy(address, other, large);
        planning.Memory.Write(other, large, _ => Assert.Fail("nobody is to fill what is only planned"));
        planning.Memory.Edit(other, large, _ => Assert.Fail("nobody is to change what is only planned"));
        planning.Memory.Read(other, large, _ => Assert.Fail("there is nothing to see"));
        int[] untouched = [7, 7, 7];
        planning.Download<int>(address, untouched);
        Assert.Equal([7, 7, 7], untouched);
        Assert.InRange(Environment.WorkingSet - resident, long.MinValue, 64L << 20);
    }
}
