using System.Runtime.Intrinsics;
using Tessera.Devices;

namespace Tessera.Kernels.Tests;

public unsafe class VectorMathTests
{
    [Fact]
    public void Exp_is_within_3e_minus_7_of_the_double_exponential_wherever_the_result_is_normal()
    {
        double worst = 0, where = 0;
        void Check(float x)
        {
            double expected = Math.Exp(x);
            if (expected is < 1.1754944e-38 or > 3.4028234e38)
            {
                return;
            }

            double error = Math.Abs((Exp(x) - expected) / expected);
            if (!(error <= worst))
            {
                (worst, where) = (error, x);
            }
        }

        for (int i = 0; i < 400_000; i++)
        {
            Check(-88.5f + (i * (177.5f / 400_000)));
        }

        var random = new CounterRandom(11);
        for (int i = 0; i < 200_000; i++)
        {
            Check(BitConverter.UInt32BitsToSingle(random.NextUInt32()));
            Check(-random.NextSingle());
        }

        Assert.True(worst <= 3e-7, $"relative error {worst:E2} at {where:R}");
    }

    [Fact]
    public void Exp_has_the_right_tails()
    {
        Assert.Equal(float.PositiveInfinity, Exp(float.PositiveInfinity));
        Assert.Equal(float.PositiveInfinity, Exp(88.7229f));
        Assert.Equal(float.PositiveInfinity, Exp(float.MaxValue));
        Assert.True(float.IsFinite(Exp(88.72283f)));
        Assert.Equal(0f, Exp(float.NegativeInfinity));
        Assert.Equal(0f, Exp(-104f));
        Assert.Equal(0f, Exp(float.MinValue));
        Assert.True(float.IsNaN(Exp(float.NaN)));
        Assert.True(float.IsNaN(Exp(-float.NaN)));
        Assert.Equal(1f, Exp(0f));
        Assert.Equal(1f, Exp(-0f));
        Assert.Equal(1f, Exp(float.Epsilon));
        Assert.Equal(1f, Exp(-1e-40f));
    }

    [Fact]
    public void Exp_is_within_one_unit_of_the_last_place_where_the_result_is_denormal()
    {
        for (float x = -103.9f; x < -87.4f; x += 0.0137f)
        {
            double expected = Math.Exp(x);
            Assert.True(Math.Abs(Exp(x) - expected) <= 1.5 * float.Epsilon + (3e-7 * expected), $"exp({x:R}) is {Exp(x):R}");
        }
    }

    [Fact]
    public void A_lane_does_not_disturb_its_neighbours()
    {
        float* lanes = stackalloc float[16]
        {
            1, float.NaN, -1, float.PositiveInfinity, 2, float.NegativeInfinity, 3, 100, -200, 0, 1, 2, 3, 4, 5, 6,
        };
        Vector512<float> together = VectorMath.Exp(Vector512.Load(lanes));
        for (int i = 0; i < 16; i++)
        {
            Assert.Equal(BitConverter.SingleToUInt32Bits(Exp(lanes[i])), BitConverter.SingleToUInt32Bits(together.GetElement(i)));
        }
    }

    [Fact]
    public void Sums_and_maxima_take_every_lane_once()
    {
        float* floats = stackalloc float[16];
        double* doubles = stackalloc double[8];
        for (int i = 0; i < 16; i++)
        {
            floats[i] = 1 << i;
            doubles[i % 8] = 1 << (i % 8);
        }

        Assert.Equal(65535f, VectorMath.Sum(Vector512.Load(floats)));
        Assert.Equal(255.0, VectorMath.Sum(Vector512.Load(doubles)));
        for (int i = 0; i < 16; i++)
        {
            (floats[i], floats[15]) = (floats[15], floats[i]);
            Assert.Equal(32768f, VectorMath.Max(Vector512.Load(floats)));
        }
    }

    [Fact]
    public void Part_loads_fill_and_part_stores_leave_the_other_lanes()
    {
        float* source = stackalloc float[16];
        float* target = stackalloc float[16];
        for (int count = 0; count < 16; count++)
        {
            for (int i = 0; i < 16; i++)
            {
                (source[i], target[i]) = (i + 1, -5);
            }

            Vector512<float> part = VectorMath.LoadPart(source, count, -1f);
            VectorMath.StorePart(part * 2f, target, count);
            for (int i = 0; i < 16; i++)
            {
                Assert.Equal(i < count ? i + 1 : -1f, part.GetElement(i));
                Assert.Equal(i < count ? 2 * (i + 1) : -5f, target[i]);
            }
        }
    }

    private static float Exp(float x) => VectorMath.Exp(Vector512.Create(x)).ToScalar();
}
