using Tessera.Interop;

namespace Tessera.Devices.Tests;

/// <summary>What a call was about costs nothing while calls succeed.</summary>
public sealed class FailureTextTests
{
    [Fact]
    public void A_call_that_succeeds_puts_nothing_together()
    {
        int asked = 0, length = 0;
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (long i = 0; i < 100; i++)
        {
            length += Length(CudaStatus.Success, $"{Ask(i):N0} bytes");
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        Assert.Equal((0, 0), (asked, length));

        long Ask(long value)
        {
            asked++;
            return value;
        }
    }

    [Fact]
    public void A_call_that_fails_has_the_text() =>
        Assert.Equal("1,234 bytes of x".Length, Length(CudaStatus.OutOfMemory, $"{1234:N0} bytes of {'x'}"));

    private static int Length(
        CudaStatus status, [System.Runtime.CompilerServices.InterpolatedStringHandlerArgument(nameof(status))] ref FailureText text) =>
        text.Take().Length;
}
