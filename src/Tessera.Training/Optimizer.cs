using Tessera.Devices;
using Tessera.Kernels;
using Tessera.Tensors;

namespace Tessera.Training;

/// <summary>AdamW over a set of parameters, with their gradients and moments.</summary>
public sealed unsafe class Optimizer : IDisposable
{
    private readonly Device _device;
    private readonly Arena _arena;
    private readonly List<Slot> _slots = [];
    private readonly GradientTensor[] _gradients;
    private readonly AdamWTensor[] _tensors;
    private readonly double[] _sums;

    /// <summary>Makes parameters trainable: gives each a gradient and two moments, all zero.</summary>
    /// <param name="device">Where to compute.</param>
    /// <param name="parameters">What is trained.</param>
    /// <param name="gradientType">Storage of gradients: f32, or bf16 on devices that add into it.</param>
    /// <param name="momentType">Storage of moments, as well.</param>
    public Optimizer(
        Device device, IEnumerable<Parameter> parameters, DType gradientType = DType.F32, DType momentType = DType.F32)
    {
        _device = device;
        _arena = device.CreateArena("gradients and moments");
        var trained = parameters.ToList();
        _arena.Reserve(trained.Sum(parameter =>
            Arena.PaddedBytes(parameter.Count * gradientType.Bytes()) + (2 * Arena.PaddedBytes(parameter.Count * momentType.Bytes()))));
        foreach (var parameter in trained)
        {
            parameter.Train(_arena, gradientType, device.TrainsBf16Masters);
            _slots.Add(new Slot(parameter, Moment(parameter, momentType), Moment(parameter, momentType)));
        }

        _gradients = new GradientTensor[trained.Count];
        _tensors = new AdamWTensor[trained.Count];
        _sums = new double[trained.Count];
    }

    /// <summary>Where gradients and moments lie.</summary>
    public Arena Arena => _arena;

    /// <summary>Updates done.</summary>
    public int Steps { get; set; }

    /// <summary>The trained parameters with their moments, in order.</summary>
    public IEnumerable<(Parameter Parameter, Elements FirstMoment, Elements SecondMoment)> State =>
        _slots.Select(slot => (slot.Parameter, slot.First, slot.Second));

    /// <summary>Sets all gradients to zero.</summary>
    public void ClearGradients() => _slots.ForEach(slot => slot.Parameter.ClearGradient());

    /// <summary>The global norm of all gradients.</summary>
    public double GradientNorm()
    {
        for (int i = 0; i < _gradients.Length; i++)
        {
            _gradients[i] = new GradientTensor(_slots[i].Parameter.Gradient, _slots[i].Parameter.Count);
        }

        var mark = _device.Scratch.Mark();
        nint sums = _device.Scratch.Allocate((long)_sums.Length * sizeof(double));
        Kernels.GradientNorm.SumsOfSquares(_device, _gradients, (double*)sums);
        _device.Download<double>(sums, _sums);
        _device.Scratch.Release(mark);
        double squares = 0;
        foreach (double sum in _sums)
        {
            squares += sum;
        }

        return Math.Sqrt(squares);
    }

    /// <summary>Scales the gradient to the norm limit if it is above it, and updates every parameter.</summary>
    /// <returns>The gradient's global norm before clipping.</returns>
    /// <exception cref="InvalidDataException">The norm is not a number: training has diverged; nothing was updated.</exception>
    public double Update(TrainingSettings settings, double learningRate) => Update(settings, learningRate, GradientNorm());

    /// <summary>As <see cref="Update(TrainingSettings, double)"/>, with a norm that is known already.</summary>
    /// <returns>The same norm.</returns>
    /// <exception cref="InvalidDataException">The norm is not a number: training has diverged; nothing was updated.</exception>
    public double Update(TrainingSettings settings, double learningRate, double norm)
    {
        if (!double.IsFinite(norm))
        {
            throw new InvalidDataException($"the gradient's norm is {norm} at step {Steps + 1}: lower the learning rate or check the data");
        }

        Steps++;
        var adam = new AdamWSettings
        {
            LearningRate = (float)learningRate,
            Beta1 = settings.Beta1,
            Beta2 = settings.Beta2,
            Epsilon = settings.Epsilon,
            Step = Steps,
            WeightDecay = settings.WeightDecay,
            GradientScale = settings.ClipNorm > 0 && norm > settings.ClipNorm ? (float)(settings.ClipNorm / norm) : 1f,
        };
        for (int i = 0; i < _tensors.Length; i++)
        {
            var parameter = _slots[i].Parameter;
            _tensors[i] = new AdamWTensor
            {
                Parameter = parameter.Elements,
                Gradient = parameter.Gradient,
                FirstMoment = _slots[i].First,
                SecondMoment = _slots[i].Second,
                Working = parameter.Working,
                Count = parameter.Count,
                Decays = parameter.Decays,
            };
        }

        AdamW.Step(_device, _tensors, adam);
        _slots.ForEach(slot => slot.Parameter.MarkUpdated());
        return norm;
    }

    /// <summary>Freezes the parameters and releases gradients and moments.</summary>
    public void Dispose()
    {
        _slots.ForEach(slot => slot.Parameter.Freeze());
        _arena.Dispose();
    }

    private Elements Moment(Parameter parameter, DType type)
    {
        var moment = new Elements(_arena.Allocate(parameter.Count * type.Bytes()), type);
        _device.Clear(moment.Address, parameter.Count * type.Bytes());
        return moment;
    }

    private sealed record Slot(Parameter Parameter, Elements First, Elements Second);
}
