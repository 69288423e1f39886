using Tessera.Devices;

namespace Tessera.Kernels;

/// <summary>Adam with decoupled weight decay, one fused pass over parameter, gradient and both moments.</summary>
/// <remarks>
/// g' = scale·g; m += (1 − β1)(g' − m); v = β2·v + (1 − β2)·g'²;
/// p = (1 − lr·λ)·p − lr / (1 − β1^t) · m / (√v / √(1 − β2^t) + ε).
/// Shapes: all [count] f32, dense; a working copy is bf16 and gets the rounding of the new p to nearest. Scalars are computed in double, once a call.
/// Error: relative L2 of moments and of the change of p at most 1e-6 beside the rounding of p itself.
/// Determinism: bitwise, independent of thread count; every element for itself.
/// Cost: 28 bytes per element.
/// Source: Loshchilov and Hutter 2019, in the form of PyTorch's AdamW without amsgrad.
/// </remarks>
public static unsafe partial class AdamW
{
    /// <summary>One step of several tensors.</summary>
    /// <param name="device">Where to run.</param>
    /// <param name="tensors">The parameters with their gradients and moments.</param>
    /// <param name="settings">The numbers of this step.</param>
    /// <exception cref="ArgumentException">The step is below 1 or a decay is outside [0, 1).</exception>
    public static void Step(Device device, ReadOnlySpan<AdamWTensor> tensors, in AdamWSettings settings)
    {
        Check(settings);
        if (device is CudaDevice cuda)
        {
            StepCuda(cuda, tensors, settings);
            return;
        }

        StepProcessor(device, tensors, settings);
    }

    /// <summary>One step of the tensors of a table by the numbers of a table.</summary>
    /// <param name="device">Where to run.</param>
    /// <param name="table">Described, and with the numbers set.</param>
    public static void Step(Device device, OptimizerTable table)
    {
        if (device is CudaDevice cuda)
        {
            StepCuda(cuda, table);
            return;
        }

        StepProcessor(device, table.Tensors, table.Settings);
    }

    private static void StepProcessor(Device device, ReadOnlySpan<AdamWTensor> tensors, in AdamWSettings settings)
    {
        using var scope = CpuDevice.Enter(device);
        double scale = settings.GradientScale * (settings.ClipFactor == 0 || device.IsPlanning ? 1f : *(float*)settings.ClipFactor);
        if (!double.IsFinite(scale))
        {
            return;
        }

        foreach (ref readonly var tensor in tensors)
        {
            Step(scope.Processor, tensor, settings, scale);
        }
    }

    /// <summary>One step of one tensor.</summary>
    /// <param name="device">Where to run.</param>
    /// <param name="parameter">[count], updated.</param>
    /// <param name="gradient">[count], read only.</param>
    /// <param name="firstMoment">[count], updated; zero before the first step.</param>
    /// <param name="secondMoment">[count], updated; zero before the first step.</param>
    /// <param name="count">Elements.</param>
    /// <param name="settings">The numbers of this step.</param>
    /// <exception cref="ArgumentException">The step is below 1 or a decay is outside [0, 1).</exception>
    public static void Step(
        Device device, Elements parameter, Elements gradient, Elements firstMoment, Elements secondMoment, long count,
        in AdamWSettings settings)
    {
        var tensor = new AdamWTensor
        {
            Parameter = parameter,
            Gradient = gradient,
            FirstMoment = firstMoment,
            SecondMoment = secondMoment,
            Count = count,
            Decays = true,
        };
        Step(device, [tensor], settings);
    }

    private static void Step(CpuDevice cpu, in AdamWTensor tensor, in AdamWSettings settings, double scale)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(tensor.Count);
        var numbers = AdamWNumbers.Of(settings);
        var arguments = new Arguments
        {
            Parameter = tensor.Parameter.Floats,
            Gradient = tensor.Gradient.Floats,
            First = tensor.FirstMoment.Floats,
            Second = tensor.SecondMoment.Floats,
            Count = tensor.Count,
            GradientScale = (float)scale,
            OneMinusBeta1 = numbers.OneMinusBeta1,
            Beta2 = numbers.Beta2,
            OneMinusBeta2 = numbers.OneMinusBeta2,
            Decay = tensor.Decays ? numbers.Decay : 0,
            StepSize = numbers.StepSize,
            RootScale = numbers.RootScale,
            Epsilon = numbers.Epsilon,
        };
        RowLaunch.Run(cpu, &Body, &arguments, tensor.Count);
        if (tensor.Working.Exists)
        {
            Conversion.ToBf16(cpu, arguments.Parameter, (ushort*)tensor.Working.Address, tensor.Count);
        }
    }

    internal static void Check(in AdamWSettings settings)
    {
        if (settings.Step < 1)
        {
            throw new ArgumentException($"AdamW step {settings.Step}: steps are counted from 1", nameof(settings));
        }

        if (settings.Beta1 is not (>= 0 and < 1) || settings.Beta2 is not (>= 0 and < 1))
        {
            throw new ArgumentException(
                $"AdamW decays {settings.Beta1} and {settings.Beta2}: both must be at least 0 and below 1", nameof(settings));
        }
    }

    private struct Arguments
    {
        public float* Parameter;
        public float* Gradient;
        public float* First;
        public float* Second;
        public long Count;
        public float GradientScale;
        public float OneMinusBeta1;
        public float Beta2;
        public float OneMinusBeta2;
        public float Decay;
        public float StepSize;
        public float RootScale;
        public float Epsilon;
    }
}
